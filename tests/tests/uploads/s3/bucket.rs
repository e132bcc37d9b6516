//! A real S3 server on loopback, which fails when it is told to.

use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tertulia_tests::Server;
use tertulia_tests::server::Builder;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const BUCKET: &str = "media";
const ACCESS_KEY: &str = "AKTEST";
pub(crate) const SECRET_KEY: &str = "a secret of the tests' store";

/// What happens to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Each of this kind is answered so, and not done.
    Say(Kind, u16),
    /// Each of this kind is done, and answered so.
    DoAndSay(Kind, u16),
    /// Each of this kind is done after so long.
    Slow(Kind, Duration),
    /// The connection breaks after some bytes of each of this kind.
    Reset(Kind),
    /// Each of this kind hangs for ever.
    Hang(Kind),
}

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Puts,
    Gets,
}

impl Kind {
    fn is(self, method: &Method) -> bool {
        match self {
            Self::Puts => method == Method::PUT || method == Method::POST,
            Self::Gets => method == Method::GET,
        }
    }
}

#[derive(Debug)]
struct State {
    fault: Fault,
    hit: usize,
}

/// The server. Dropping it ends it.
pub(crate) struct Bucket {
    folder: TempDir,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Bucket {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join(BUCKET))?;
        let files = s3s_fs::FileSystem::new(folder.path()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State { fault: Fault::None, hit: 0 }));
        let accepting = tokio::spawn(accept(listener, service.build(), Arc::clone(&state)));
        Ok(Self { folder, address, state, accepting })
    }

    /// A server that keeps its files here, and gives up soon.
    pub(crate) fn server(&self) -> Builder {
        Server::builder().set("media.shards", 1).more(&format!(
            "[uploads.store]\nkind = \"s3\"\n[uploads.store.s3]\nbucket = \"{BUCKET}\"\nprefix = \"files/\"\n\
             endpoint_url = \"http://{}\"\nforce_path_style = true\naccess_key_id = \"{ACCESS_KEY}\"\n\
             secret_key = \"{SECRET_KEY}\"\nrequest_timeout_ms = 5000\nattempts_max = 2\n",
            self.address
        ))
    }

    /// From now on this happens.
    pub(crate) fn set(&self, fault: Fault) {
        *self.state.lock() = State { fault, hit: 0 };
    }

    /// How many requests it has happened to.
    pub(crate) fn hit(&self) -> usize {
        self.state.lock().hit
    }

    /// The names of what is in it, on the server's own disk.
    pub(crate) fn objects(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join(BUCKET).join("files")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

async fn accept(listener: TcpListener, service: S3Service, state: Arc<Mutex<State>>) {
    // Dropped with the task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (service, state) = (service.clone(), Arc::clone(&state));
        let answer = hyper::service::service_fn(move |request| {
            let (service, state) = (service.clone(), Arc::clone(&state));
            async move { respond(&service, &state, request).await }
        });
        connections.spawn(async move {
            // A connection that breaks is what some tests are about.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn respond(
    service: &S3Service,
    state: &Mutex<State>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Body>, HttpError> {
    let fault = {
        let mut state = state.lock();
        let is_hit = match state.fault {
            Fault::None => false,
            Fault::Say(kind, _)
            | Fault::DoAndSay(kind, _)
            | Fault::Slow(kind, _)
            | Fault::Reset(kind)
            | Fault::Hang(kind) => kind.is(request.method()),
        };
        state.hit += usize::from(is_hit);
        if is_hit { state.fault } else { Fault::None }
    };
    let request = request.map(Body::from);
    match fault {
        Fault::None => service.call(request).await,
        Fault::Say(_, status) => Ok(said(status)),
        Fault::DoAndSay(_, status) => service.call(request).await.map(|_| said(status)),
        Fault::Slow(_, time) => {
            tokio::time::sleep(time).await;
            service.call(request).await
        }
        Fault::Reset(Kind::Puts) => Err(HttpError::new("the test breaks the connection".into())),
        Fault::Reset(Kind::Gets) => Ok(service.call(request).await?.map(broken)),
        Fault::Hang(_) => std::future::pending().await,
    }
}

fn said(status: u16) -> Response<Body> {
    let text = "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>of the test</Message></Error>";
    let mut answer = Response::new(Body::from(text.to_owned()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    answer
}

/// A body that breaks off before its first byte.
fn broken(_: Body) -> Body {
    Body::http_body_unsync(Broken)
}

struct Broken;

impl hyper::body::Body for Broken {
    type Data = bytes::Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Err("the test breaks the connection".into())))
    }
}
