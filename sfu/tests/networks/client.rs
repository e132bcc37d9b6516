//! A client of real sockets: a full str0m stack that sends voice, over UDP or over TCP with framing of its own.
#![expect(clippy::unwrap_used, reason = "the harness of tests: what can't be is a failed test")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};
use tertulia_common::{PeerId, RoomId, ShardId};
use tertulia_sfu::Sfu;

const ROOM: RoomId = RoomId(1);
/// How long one look at a socket may take.
const LOOK: Duration = Duration::from_millis(2);

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

pub(crate) struct Client {
    pub(crate) id: PeerId,
    rtc: Rtc,
    socket: Socket,
    local: SocketAddr,
    /// Where the server is, as its answer says, which need not be where the socket leads.
    told: SocketAddr,
    mic: Mid,
    /// Payload bytes of a packet, and how many it sends every 20 ms.
    pub(crate) size: usize,
    pub(crate) burst: usize,
    seq: u64,
    next: Instant,
    pub(crate) heard: u64,
    /// Whatever came back, in frames or datagrams.
    pub(crate) received: u64,
    wake_at: Instant,
}

impl Client {
    /// Connects to `server`, and offers. `told`: the address that the server tells, if not that one.
    pub(crate) fn join(sfu: &Sfu, id: u64, by: Protocol, server: SocketAddr, told: Option<SocketAddr>) -> Self {
        let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = if by == Protocol::Udp {
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(server).unwrap(); // what comes from any other address is not heard
            socket.set_read_timeout(Some(LOOK)).unwrap();
            Socket::Udp(socket)
        } else {
            let stream =
                socket2::Socket::new(socket2::Domain::for_address(server), socket2::Type::STREAM, None).unwrap();
            stream.set_recv_buffer_size(4_096).unwrap();
            stream.connect(&server.into()).unwrap();
            let stream = TcpStream::from(stream);
            stream.set_read_timeout(Some(LOOK)).unwrap();
            Socket::Tcp(stream, Vec::new())
        };
        let local = match &socket {
            Socket::Udp(socket) => socket.local_addr(),
            Socket::Tcp(stream, _) => stream.local_addr(),
        }
        .unwrap();
        let now = Instant::now();
        let mut rtc = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false).build(now);
        let candidate = match by {
            Protocol::Udp => Candidate::host(local, "udp"),
            _ => Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build(),
        };
        rtc.add_local_candidate(candidate.unwrap());
        let mut api = rtc.sdp_api();
        let mic = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let connected = runtime.block_on(sfu.connect(ShardId(0), ROOM, PeerId(id), offer.to_sdp_string())).unwrap();
        sfu.admit(ShardId(0), ROOM, PeerId(id));
        let answer = SdpAnswer::from_sdp_string(&connected.answer).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let told = told.unwrap_or(server);
        assert!(connected.answer.contains(&format!("{} {} typ host", told.ip(), told.port())), "{}", connected.answer);
        Self {
            id: PeerId(id),
            rtc,
            socket,
            local,
            told,
            mic,
            size: 80,
            burst: 1,
            seq: 1,
            next: now,
            heard: 0,
            received: 0,
            wake_at: now,
        }
    }

    /// One look at the socket and the clock.
    pub(crate) fn turn(&mut self, reads: bool) {
        if reads {
            for datagram in self.read() {
                self.received += 1;
                let Ok(contents) = datagram.as_slice().try_into() else { continue };
                let proto = if matches!(self.socket, Socket::Udp(_)) { Protocol::Udp } else { Protocol::Tcp };
                let receive = Receive { proto, source: self.told, destination: self.local, contents };
                self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                self.poll();
            }
        }
        let now = Instant::now();
        if self.rtc.is_connected() && now >= self.next {
            self.next = now + Duration::from_millis(20);
            for _ in 0..self.burst {
                let pt = self.rtc.codec_config().params()[0].pt();
                let (seq, time) = (self.seq, u32::try_from(self.seq * 960).unwrap());
                self.seq += 1;
                let mut api = self.rtc.direct_api();
                let stream = api.stream_tx_by_mid(self.mic, None).unwrap();
                stream.write_rtp(RtpWrite::new(pt, seq.into(), time, now, vec![0; self.size]));
                self.rtc.handle_input(Input::Timeout(now)).unwrap();
                self.poll();
            }
        }
        if now >= self.wake_at {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
        }
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.wake_at = at;
                    return;
                }
                // Only to the candidate that this client is here for: a blocked protocol, an address out of reach.
                Output::Transmit(transmit) if transmit.destination == self.told => self.write(&transmit.contents),
                Output::Event(Event::RtpPacket(_)) => self.heard += 1,
                Output::Transmit(_) | Output::Event(_) => {}
            }
        }
    }

    fn read(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 65_536];
        let mut datagrams = Vec::new();
        match &mut self.socket {
            Socket::Udp(socket) => match socket.recv(&mut buffer) {
                Ok(length) => datagrams.push(buffer[..length].to_vec()),
                Err(error) => assert!(is_late(error.kind()), "{error}"),
            },
            Socket::Tcp(stream, partial) => {
                match stream.read(&mut buffer) {
                    Ok(0) => panic!("the server closed the connection"),
                    Ok(length) => partial.extend_from_slice(&buffer[..length]),
                    Err(error) => assert!(is_late(error.kind()), "{error}"),
                }
                while let Some((head, rest)) = partial.split_first_chunk::<2>() {
                    let length = usize::from(u16::from_be_bytes(*head));
                    let Some(frame) = rest.get(..length) else { break };
                    datagrams.push(frame.to_vec());
                    partial.drain(..2 + length);
                }
            }
        }
        datagrams
    }

    fn write(&mut self, datagram: &[u8]) {
        match &mut self.socket {
            Socket::Udp(socket) => drop(socket.send(datagram)),
            Socket::Tcp(stream, _) => {
                let length = u16::try_from(datagram.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], datagram].concat()).unwrap();
            }
        }
    }
}

fn is_late(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
