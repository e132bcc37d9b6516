//! Many peers on one thread: their sockets, their timers, what they send and what they count.
//!
//! One thread, so that a hundred receivers cost the machine little beside the server that is measured.

use crate::media::peer::{Heard, Peer};
use crate::media::synthetic::{STAMP_AT, Sending, Stream};
use anyhow::Context;
use mio::{Events, Interest, Poll, Token, Waker};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use str0m::media::{Mid, Rid};

/// The token of the waker; peers count up from zero.
const WAKE: Token = Token(usize::MAX);

/// A picture that stands still for so long is seen to.
pub const FREEZE: Duration = Duration::from_millis(500);
/// A voice that stops for so long is cut: more than what a jitter buffer bridges.
pub const GAP: Duration = Duration::from_millis(200);

/// What one peer has seen. Shared with whoever added it.
#[derive(Debug, Default)]
pub struct Tally {
    /// ICE and DTLS are up.
    pub connected: AtomicBool,
    /// It has ended.
    pub closed: AtomicBool,
    /// RTP packets sent.
    pub sent: AtomicU64,
    /// RTP packets received.
    pub received: AtomicU64,
    /// Of these, those that did not follow the one before on their line.
    pub out_of_order: AtomicU64,
    /// Key frames it was asked for.
    pub key_frames_wanted: AtomicU64,
    /// Bytes of their payloads.
    pub received_bytes: AtomicU64,
    /// For how long pictures stood still, where that was longer than [`FREEZE`], microseconds.
    pub frozen_us: AtomicU64,
    /// How often a voice stopped for longer than [`GAP`].
    pub voice_gaps: AtomicU64,
    /// The longest time without a packet since this was last set to zero, microseconds.
    pub longest_gap_us: AtomicU64,
    /// When the last packet came, microseconds of the fleet's clock.
    last_received_us: AtomicU64,
    /// When the first packet came, microseconds of the fleet's clock plus one; zero before.
    pub first_received_us: AtomicU64,
}

impl Tally {
    /// A packet has come on a line after another one.
    fn note(&self, before: Flow, seq: u64, clock: u64) {
        if seq != before.seq + 1 {
            self.out_of_order.fetch_add(1, Relaxed);
        }
        let passed = Duration::from_micros(clock.saturating_sub(before.at));
        if before.is_picture && passed > FREEZE {
            self.frozen_us.fetch_add(clock - before.at, Relaxed);
        } else if !before.is_picture && passed > GAP {
            self.voice_gaps.fetch_add(1, Relaxed);
        }
    }
}

/// Microseconds from writing a packet to receiving it (by the kernel, where its receiver asks that), while switched on.
#[derive(Debug, Default)]
pub struct Latencies {
    on: AtomicBool,
    samples: Mutex<Vec<u32>>,
}

impl Latencies {
    /// Starts afresh.
    pub fn start(&self) {
        self.samples.lock().clear();
        self.on.store(true, Relaxed);
    }

    /// Stops, and gives the samples, sorted.
    pub fn stop(&self) -> Vec<u32> {
        self.on.store(false, Relaxed);
        let mut samples = std::mem::take(&mut *self.samples.lock());
        samples.sort_unstable();
        samples
    }
}

/// A peer of the fleet.
#[derive(Clone, Debug)]
pub struct Member {
    index: usize,
    /// What it has seen.
    pub tally: Arc<Tally>,
}

impl Member {
    /// Its number in its fleet, from zero.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

type Work = Box<dyn FnOnce(&mut Crew) + Send>;

/// The thread and the way to it.
#[derive(Debug)]
pub struct Fleet {
    work: mpsc::Sender<Work>,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// How long packets take, over all peers.
    pub latencies: Arc<Latencies>,
    start: Instant,
}

impl Fleet {
    /// Starts one without peers.
    ///
    /// # Errors
    /// If the machine gives no poll or thread.
    pub fn start() -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (work, queue) = mpsc::channel();
        let (stop, latencies, start) = (Arc::new(AtomicBool::new(false)), Arc::<Latencies>::default(), Instant::now());
        let mut crew = Crew { poll, seats: Vec::new(), latencies: latencies.clone(), start };
        let stopping = stop.clone();
        let thread = std::thread::Builder::new().name("fleet".into()).spawn(move || crew.run(&queue, &stopping))?;
        Ok(Self { work, waker, stop, thread: Some(thread), latencies, start })
    }

    /// Takes a peer on board.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn add(&self, peer: Peer) -> anyhow::Result<Member> {
        self.run(|crew| crew.add(peer)).await?
    }

    /// Does something with a peer, on the fleet's thread.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn with<T: Send + 'static>(
        &self,
        member: &Member,
        work: impl FnOnce(&mut Peer) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let index = member.index;
        self.run(move |crew| {
            let done = work(&mut crew.seats[index].peer);
            crew.settle(index);
            done
        })
        .await
    }

    /// Lets a peer go on from another port (see [`Peer::rebind`]).
    ///
    /// # Errors
    /// If it gets no socket.
    pub async fn rebind(&self, member: &Member) -> anyhow::Result<()> {
        let index = member.index;
        self.run(move |crew| crew.rebind(index)).await?
    }

    /// A peer starts to send on a line, or goes on, its first frame after `delay`.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn send(&self, member: &Member, mid: Mid, sending: Sending, delay: Duration) -> anyhow::Result<()> {
        let index = member.index;
        self.run(move |crew| {
            let (streams, first) = (&mut crew.seats[index].streams, Instant::now() + delay);
            match streams.iter_mut().find(|stream| stream.mid == mid && stream.sending.rid == sending.rid) {
                Some(stream) => stream.resume(first),
                None => streams.push(Stream::new(mid, sending, first)),
            }
        })
        .await
    }

    /// A peer stops sending.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn hush(&self, member: &Member) -> anyhow::Result<()> {
        let index = member.index;
        self.run(move |crew| crew.seats[index].streams.iter_mut().for_each(Stream::pause)).await
    }

    /// A peer sends no pictures higher than `height` pixels.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn send_up_to(&self, member: &Member, height: u64) -> anyhow::Result<()> {
        let index = member.index;
        self.run(move |crew| {
            let streams = crew.seats[index].streams.iter_mut();
            streams.filter(|stream| u64::from(stream.sending.height) > height).for_each(Stream::pause);
        })
        .await
    }

    /// How many of a peer's lines have flowed, and of those, how many stand still now.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn lines(&self, member: &Member) -> anyhow::Result<(usize, usize)> {
        let (index, start) = (member.index, self.start);
        self.run(move |crew| {
            let flows = &crew.seats[index].flows;
            let late = |flow: &&Flow| start.elapsed().saturating_sub(Duration::from_micros(flow.at)) > FREEZE;
            (flows.len(), flows.values().filter(late).count())
        })
        .await
    }

    /// A peer is no longer driven: it sends nothing and hears nothing, and says no goodbye.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn silence(&self, member: &Member) -> anyhow::Result<()> {
        let index = member.index;
        self.run(move |crew| crew.seats[index].silent = true).await
    }

    /// Microseconds since the fleet started: the clock of the stamps and tallies.
    #[must_use]
    pub fn clock_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Crew) -> T + Send + 'static) -> anyhow::Result<T> {
        let (done, result) = tokio::sync::oneshot::channel();
        let work: Work = Box::new(move |crew| {
            // Whoever asked may have stopped waiting.
            done.send(work(crew)).ok();
        });
        self.work.send(work).ok().context("the fleet has ended")?;
        self.waker.wake()?;
        result.await.context("the fleet has ended")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.waker.wake().ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// One peer with what it sends and counts.
struct Seat {
    peer: Peer,
    streams: Vec<Stream>,
    tally: Arc<Tally>,
    flows: HashMap<Mid, Flow>,
    silent: bool,
}

/// The last packet of a line.
#[derive(Clone, Copy, Debug)]
struct Flow {
    seq: u64,
    /// When it came, microseconds of the fleet's clock.
    at: u64,
    is_picture: bool,
}

/// What the thread owns.
struct Crew {
    poll: Poll,
    seats: Vec<Seat>,
    latencies: Arc<Latencies>,
    start: Instant,
}

impl Crew {
    fn run(&mut self, queue: &mpsc::Receiver<Work>, stop: &AtomicBool) {
        let mut events = Events::with_capacity(1024);
        while !stop.load(Relaxed) {
            while let Ok(work) = queue.try_recv() {
                work(self);
            }
            let wait = self.next_due().saturating_duration_since(Instant::now());
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                return;
            }
            for event in &events {
                if event.token() != WAKE {
                    self.receive(event.token().0);
                }
            }
            self.tick(Instant::now());
        }
    }

    fn next_due(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(1);
        let dues = self
            .seats
            .iter()
            .filter(|s| !s.silent)
            .flat_map(|s| s.streams.iter().filter_map(Stream::due).chain([s.peer.due()]));
        dues.fold(far, Instant::min)
    }

    fn add(&mut self, mut peer: Peer) -> anyhow::Result<Member> {
        let index = self.seats.len();
        self.poll.registry().register(peer.socket(), Token(index), Interest::READABLE)?;
        let tally = Arc::<Tally>::default();
        self.seats.push(Seat { peer, streams: Vec::new(), tally: tally.clone(), flows: HashMap::new(), silent: false });
        self.settle(index);
        Ok(Member { index, tally })
    }

    fn rebind(&mut self, index: usize) -> anyhow::Result<()> {
        let seat = &mut self.seats[index];
        let mut old = seat.peer.rebind()?;
        self.poll.registry().deregister(&mut old)?;
        self.poll.registry().register(seat.peer.socket(), Token(index), Interest::READABLE)?;
        Ok(())
    }

    fn receive(&mut self, index: usize) {
        self.drive(index, |peer, hear| peer.receive(hear));
    }

    /// Lets what was changed take effect.
    fn settle(&mut self, index: usize) {
        self.drive(index, |peer, hear| peer.timeout(Instant::now(), hear));
    }

    fn tick(&mut self, now: Instant) {
        for index in 0..self.seats.len() {
            let clock = self.start.elapsed();
            let seat = &mut self.seats[index];
            if seat.silent {
                continue;
            }
            let mut due = seat.peer.due() <= now;
            let connected = seat.tally.connected.load(Relaxed);
            for stream in &mut seat.streams {
                // A schedule is kept even before the peer is up, so that it does not start with a flood.
                let Some(frame) = stream.frame(now, clock) else { continue };
                if !connected {
                    stream.want_key_frame();
                    continue;
                }
                for packet in frame {
                    let (seq, time, marker) = (packet.seq, packet.time, packet.marker);
                    let line = (stream.mid, stream.sending.rid.map(Rid::from));
                    if seat.peer.write(line, seq, time, marker, packet.payload).is_ok() {
                        seat.tally.sent.fetch_add(1, Relaxed);
                    }
                }
                due = true;
            }
            if due {
                self.drive(index, |peer, hear| peer.timeout(now, hear));
            }
        }
    }

    fn drive(&mut self, index: usize, step: impl FnOnce(&mut Peer, &mut dyn FnMut(Heard<'_>))) {
        let Seat { peer, streams, tally, flows, silent } = &mut self.seats[index];
        if *silent {
            return;
        }
        let (latencies, start) = (&*self.latencies, self.start);
        step(peer, &mut |heard| match heard {
            Heard::Connected => tally.connected.store(true, Relaxed),
            Heard::Closed => tally.closed.store(true, Relaxed),
            Heard::KeyFrameWanted(mid, rid) => {
                tally.key_frames_wanted.fetch_add(1, Relaxed);
                let is_it = |stream: &&mut Stream| {
                    stream.mid == mid && rid.is_none_or(|rid| stream.sending.rid.map(Rid::from) == Some(rid))
                };
                streams.iter_mut().filter(is_it).for_each(Stream::want_key_frame);
            }
            Heard::Ignored => drop(tally.received.fetch_add(1, Relaxed)),
            Heard::Rtp(mid, is_picture, packet, came) => {
                let clock = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                if tally.received.fetch_add(1, Relaxed) == 0 {
                    tally.first_received_us.store(clock + 1, Relaxed);
                }
                let last = tally.last_received_us.swap(clock, Relaxed);
                if last > 0 {
                    tally.longest_gap_us.fetch_max(clock.saturating_sub(last), Relaxed);
                }
                tally.received_bytes.fetch_add(packet.payload.len() as u64, Relaxed);
                let seq = *packet.seq_no;
                if let Some(before) = flows.insert(mid, Flow { seq, at: clock, is_picture }) {
                    tally.note(before, seq, clock);
                }
                let came = came.map(|came| came.saturating_duration_since(start).as_micros());
                measure(latencies, came.and_then(|us| u64::try_from(us).ok()).unwrap_or(clock), &packet.payload);
            }
        });
    }
}

fn measure(latencies: &Latencies, clock: u64, payload: &[u8]) {
    if !latencies.on.load(Relaxed) {
        return;
    }
    let stamp = payload.get(STAMP_AT..STAMP_AT + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    if let Some(stamp) = stamp {
        let took = u32::try_from(clock.saturating_sub(stamp)).unwrap_or(u32::MAX);
        latencies.samples.lock().push(took);
    }
}
