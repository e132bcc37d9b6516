//! A gateway on a free port, and a client that counts what it receives as the protocol says.

use futures_util::{SinkExt, StreamExt};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tertulia_common::{CallId, DeviceId, UserId};
use tertulia_directory::Directory;
use tertulia_signaling::auth::Keys;
use tertulia_signaling::{AccountsConfig, Config, DrainCalls, Gateway, Limits};
use tertulia_signaling_core::Timeouts;
use tertulia_signaling_proto::{
    Ack, CallInvite, CallRequest, Caps, ClientFrame, Codec, ErrorBody, ErrorCode, Hello, MediaKind, OkFrame, RequestId,
    Resume, ServerFrame, Target, VideoCodec, Welcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) const SECRET: &[u8] = b"a secret of the tests, of more than thirty-two bytes";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) gateway: Gateway,
    pub(crate) directory: Directory,
    pub(crate) address: SocketAddr,
    dir: tempfile::TempDir,
}

pub(crate) fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.insert_hs256("tests", SECRET).unwrap();
    keys
}

pub(crate) fn token(user: &str) -> String {
    keys().mint("tests", &user.parse().unwrap(), None, Duration::from_secs(60)).unwrap()
}

pub(crate) fn config() -> Config {
    Config {
        keys: keys(),
        demo_key: None,
        call_link_key: [7; 32],
        accounts: AccountsConfig::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        allowed_origins: Vec::new(),
        video_codec: VideoCodec::default(),
        ice_servers: Vec::new(),
        uploads: None,
        chat: None,
        push: None,
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut config = config();
        change(&mut config.limits);
        assert_eq!(config.limits.check(), Ok(()));
        Self::with(config).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::on(tempfile::tempdir().unwrap(), config).await
    }

    /// On the folder of a server that was there before.
    pub(crate) async fn on(dir: tempfile::TempDir, config: Config) -> Self {
        let directory = Directory::open(&dir.path().join("directory.sqlite")).await.unwrap();
        let media = tertulia_sfu::Config { shards: 1, ..tertulia_sfu::Config::default() };
        let (sfu, events) = tertulia_sfu::start(media).unwrap();
        let (gateway, router) = Gateway::start(config, directory.clone(), sfu, events).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { gateway, address, directory, dir }
    }

    /// Ends it as the program does, calls kept; and its folder.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.gateway.drain(DrainCalls::Keep).await;
        self.directory.close().await.unwrap();
        self.dir
    }

    /// What a killed server leaves: its files as they are now.
    pub(crate) fn copy_folder(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }

    /// A client that can have two calls.
    pub(crate) async fn client_with_call_waiting(&self, user: &str, device: &str) -> Client {
        let mut client = Client::connect(self.address, Codec::Json).await.unwrap();
        let caps = Caps { rings: true, call_waiting: true, messages: false };
        let (token, device_id) = (token(user), Some(device.parse().unwrap()));
        client.hello_frame(Hello { token, device_id, resume: None, caps }).await.unwrap();
        client
    }

    /// A client that has said hello as this user on this device, and can ring.
    pub(crate) async fn client(&self, user: &str, device: &str) -> Client {
        let mut client = Client::connect(self.address, Codec::Json).await.unwrap();
        client.hello(user, device, None).await;
        client
    }

    /// One figure of the metrics, by the start of its line.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut registry = prometheus_client::registry::Registry::default();
        self.gateway.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// Waits until a figure is what it must be.
    pub(crate) async fn wait_for_metric(&self, name: &str, value: f64) {
        let reached = async {
            while (self.metric(name) - value).abs() > f64::EPSILON {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, reached).await.is_ok(), "{name} is {}, not {value}", self.metric(name));
    }

    /// One HTTP request; the status, and the whole answer as text.
    pub(crate) async fn http(&self, head: &str, body: &str) -> (u16, String) {
        self.http_from(IpAddr::V4(Ipv4Addr::LOCALHOST), head, body).await
    }

    /// The same, from an address of this machine.
    pub(crate) async fn http_from(&self, from: IpAddr, head: &str, body: &str) -> (u16, String) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}",
            self.address
        );
        // A server that refuses a large body answers before it has read it all.
        stream.write_all(request.as_bytes()).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no status in {text:?}")), text)
    }
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// One socket, and the session it has.
pub(crate) struct Client {
    pub(crate) ws: Socket,
    codec: Codec,
    pub(crate) received: u64,
    last_id: u64,
    stash: VecDeque<ServerFrame>,
    pub(crate) welcome: Option<Box<Welcome>>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, codec: Codec) -> Result<Self, Error> {
        Self::connect_with(address, codec, &[]).await
    }

    pub(crate) async fn connect_with(
        address: SocketAddr,
        codec: Codec,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, address, codec, headers).await
    }

    pub(crate) async fn over(
        stream: TcpStream,
        address: SocketAddr,
        codec: Codec,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/v1/ws").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", codec.subprotocol().parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (ws, response): (_, Response) = client_async(request, stream).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], codec.subprotocol());
        Ok(Self { ws, codec, received: 0, last_id: 0, stash: VecDeque::new(), welcome: None })
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        let bytes = self.codec.encode_client(frame);
        let message = match self.codec {
            Codec::Json => Message::text(String::from_utf8(bytes).unwrap()),
            Codec::Msgpack | Codec::Compact => Message::binary(bytes),
        };
        self.ws.send(message).await.unwrap();
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    /// The next frame that the protocol counts; or how the socket was closed.
    pub(crate) async fn next(&mut self) -> Result<ServerFrame, Option<u16>> {
        loop {
            let frame = self.any().await?;
            if frame.is_counted() {
                return Ok(frame);
            }
        }
    }

    /// The next frame, pings and welcomes too; or how the socket was closed.
    pub(crate) async fn any(&mut self) -> Result<ServerFrame, Option<u16>> {
        loop {
            let message = timeout(PATIENCE, self.ws.next()).await.expect("something comes in time");
            let bytes = match message {
                Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(None),
            };
            let frame = self.codec.decode_server(&bytes).unwrap();
            self.received += u64::from(frame.is_counted());
            return Ok(frame);
        }
    }

    /// Reads until the socket is closed, and says how.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.any().await {
                return code;
            }
        }
    }

    /// Waits for a frame of interest; others are kept for later.
    pub(crate) async fn expect<T>(&mut self, what: &str, mut pick: impl FnMut(&ServerFrame) -> Option<T>) -> T {
        for at in 0..self.stash.len() {
            if let Some(picked) = pick(&self.stash[at]) {
                self.stash.remove(at);
                return picked;
            }
        }
        loop {
            match self.next().await {
                Ok(frame) => match pick(&frame) {
                    Some(picked) => return picked,
                    None => self.stash.push_back(frame),
                },
                Err(code) => panic!("waiting for {what}: closed with {code:?}, before it came {:?}", self.stash),
            }
        }
    }

    /// Everything that has come and was not asked for.
    pub(crate) fn unasked(&self) -> &VecDeque<ServerFrame> {
        &self.stash
    }

    pub(crate) async fn hello(&mut self, user: &str, device: &str, resume: Option<Resume>) -> Welcome {
        let hello = Hello {
            token: token(user),
            device_id: Some(device.parse().unwrap()),
            resume,
            caps: Caps { rings: true, ..Caps::default() },
        };
        self.hello_frame(hello).await.unwrap_or_else(|refusal| panic!("no welcome: {refusal:?}"))
    }

    /// The welcome; or the error and the close code.
    pub(crate) async fn hello_frame(&mut self, hello: Hello) -> Result<Welcome, (Option<ErrorCode>, Option<u16>)> {
        let resuming = hello.resume.as_ref().map_or(0, |resume| resume.received);
        self.send(&ClientFrame::Hello(hello)).await;
        match self.any().await {
            Ok(ServerFrame::Welcome(welcome)) => {
                self.received = if welcome.resumed { resuming } else { 0 };
                self.last_id = welcome.last_request.0;
                self.welcome = Some(welcome.clone());
                Ok(*welcome)
            }
            Ok(ServerFrame::Error(refusal)) => Err((Some(refusal.error.code), self.close_code().await)),
            Ok(other) => panic!("{other:?} instead of a welcome"),
            Err(code) => Err((None, code)),
        }
    }

    /// What to resume this session with.
    pub(crate) fn resume(&self) -> Resume {
        let welcome = self.welcome.as_ref().unwrap();
        Resume { session: welcome.session, secret: welcome.secret.clone(), received: self.received }
    }

    pub(crate) fn next_id(&mut self) -> RequestId {
        self.last_id += 1;
        RequestId(self.last_id)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&mut self, request: impl FnOnce(RequestId) -> ClientFrame) -> Result<OkFrame, ErrorBody> {
        let id = self.next_id();
        self.send(&request(id)).await;
        self.answer(id).await
    }

    pub(crate) async fn answer(&mut self, id: RequestId) -> Result<OkFrame, ErrorBody> {
        self.expect("an answer", |frame| match frame {
            ServerFrame::Ok(ok) if ok.id == id => Some(Ok(ok.clone())),
            ServerFrame::Error(refusal) if refusal.id == Some(id) => Some(Err(refusal.error.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn invite(&mut self, whom: &str) -> Result<CallId, ErrorCode> {
        let to = Target::User(whom.parse().unwrap());
        let answer = self.ask(|id| ClientFrame::CallInvite(CallInvite { id, to, media: MediaKind::Voice })).await;
        answer.map(|ok| ok.call_id.expect("an invite is answered with the call")).map_err(|error| error.code)
    }

    pub(crate) async fn about(
        &mut self,
        call_id: CallId,
        frame: fn(CallRequest) -> ClientFrame,
    ) -> Result<(), ErrorCode> {
        self.ask(|id| frame(CallRequest { id, call_id })).await.map(|_| ()).map_err(|error| error.code)
    }

    pub(crate) async fn incoming(&mut self) -> CallId {
        self.expect("call.incoming", |frame| match frame {
            ServerFrame::CallIncoming(incoming) => Some(incoming.call_id),
            _ => None,
        })
        .await
    }

    pub(crate) async fn ended(&mut self) -> tertulia_signaling_proto::EndReason {
        self.expect("call.ended", |frame| match frame {
            ServerFrame::CallEnded(ended) => Some(ended.reason),
            _ => None,
        })
        .await
    }

    pub(crate) async fn confirm(&mut self) {
        let received = self.received;
        self.send(&ClientFrame::Pong(Ack { received })).await;
    }

    /// Cuts the connection without a word.
    pub(crate) fn cut(self) -> Resume {
        self.resume()
    }
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}
