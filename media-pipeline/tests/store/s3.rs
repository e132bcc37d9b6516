//! A real S3 server on loopback, and a layer before it that fails as networks and services do.
//!
//! Invariant: what the server has been told and has answered passes through [`Faults::decide`]; without a fault it passes
//! as it is.

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::header::CONTENT_LENGTH;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tempfile::TempDir;
use tertulia_media_pipeline::store::{BlobStore, S3, S3Config};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub(crate) const BUCKET: &str = "media";
pub(crate) const ACCESS_KEY: &str = "AKTEST";
pub(crate) const SECRET_KEY: &str = "a secret of the tests";

/// What happens to a request.
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The service says this, and does nothing.
    Say(u16, &'static str),
    /// The service does it, and this is said instead of its answer.
    DoAndSay(u16),
    /// This is the answer.
    Answer(String),
    /// It answers after so long.
    Slow(Duration),
    /// It never answers.
    Hang,
    /// The connection breaks after so many bytes of the request.
    BreakRequest(u64),
    /// The connection breaks after so many bytes of the answer, which has said that there would be more.
    BreakAnswer(u64),
    /// A bit of the request's body is another one when it arrives.
    Flip,
}

/// What was asked, as far as a fault wants to know.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
}

impl Asked {
    pub(crate) fn is_upload_of_part(&self) -> bool {
        self.method == Method::PUT && self.query.contains("partNumber=")
    }

    /// The request of a single put, without those of multipart uploads.
    pub(crate) fn is_put(&self) -> bool {
        self.method == Method::PUT && !self.query.contains("partNumber=")
    }

    pub(crate) fn is_completion(&self) -> bool {
        self.method == Method::POST && self.query.contains("uploadId=")
    }

    pub(crate) fn is_abort(&self) -> bool {
        self.method == Method::DELETE && self.query.contains("uploadId=")
    }
}

type Decide = Box<dyn FnMut(&Asked) -> Fault + Send>;

#[derive(Clone)]
pub(crate) struct Faults(Arc<Mutex<(Decide, Vec<Asked>)>>);

impl Faults {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((Box::new(|_| Fault::None), Vec::new()))))
    }

    /// From now on this decides.
    pub(crate) fn set(&self, decide: impl FnMut(&Asked) -> Fault + Send + 'static) {
        let mut state = self.0.lock();
        *state = (Box::new(decide), Vec::new());
    }

    pub(crate) fn clear(&self) {
        self.set(|_| Fault::None);
    }

    /// What has been asked since the last change.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.lock().1.clone()
    }

    fn decide(&self, asked: Asked) -> Fault {
        let mut state = self.0.lock();
        let fault = state.0(&asked);
        state.1.push(asked);
        fault
    }
}

/// The server. Dropping it ends it.
pub(crate) struct Server {
    folder: TempDir,
    pub(crate) faults: Faults,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Over TLS, with this certificate.
    pub(crate) async fn start_tls(certified: &CertifiedKey<KeyPair>) -> Self {
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
        Self::start_with(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let faults = Faults::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, tls.clone(), service(folder.path()), faults.clone()));
        Self { folder, faults, address, tls, accepting }
    }

    /// It is away, with its connections.
    pub(crate) async fn stop(&mut self) {
        self.accepting.abort();
        (&mut self.accepting).await.unwrap_err();
    }

    /// It is back, where it was.
    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let service = service(self.folder.path());
        self.accepting = tokio::spawn(accept(listener, self.tls.clone(), service, self.faults.clone()));
    }

    /// With times that a test can wait for.
    pub(crate) fn config(&self) -> S3Config {
        S3Config {
            bucket: BUCKET.to_owned(),
            prefix: "one/".to_owned(),
            endpoint_url: Some(match self.tls {
                Some(_) => format!("https://localhost:{}", self.address.port()),
                None => format!("http://{}", self.address),
            }),
            force_path_style: true,
            access_key_id: Some(ACCESS_KEY.to_owned()),
            secret_key: Some(SECRET_KEY.to_owned().into()),
            ..S3Config::default()
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn BlobStore> {
        Arc::new(S3::open(&self.config()).unwrap())
    }

    /// What is in the bucket on the server's own disk.
    pub(crate) fn objects(&self) -> Vec<String> {
        let folder = self.folder.path().join(BUCKET).join("one");
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Where an object is on the server's own disk.
    pub(crate) fn object(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(BUCKET).join("one").join(name)
    }

    /// Files of uploads that were neither completed nor aborted.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".upload")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(crate) fn service(root: &Path) -> S3Service {
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    service.build()
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, service: S3Service, faults: Faults) {
    // Dropped with the task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, service, faults) = (tls.clone(), service.clone(), faults.clone());
        connections.spawn(async move {
            match tls {
                None => serve(stream, service, faults).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, service, faults).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, service: S3Service, faults: Faults) {
    let answer = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (service, faults) = (service.clone(), faults.clone());
        async move { respond(&service, &faults, request).await }
    });
    // A connection that breaks is what some tests are about.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

async fn respond(
    service: &S3Service,
    faults: &Faults,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Body>, HttpError> {
    let uri = request.uri();
    let asked = Asked {
        method: request.method().clone(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
    };
    let mut request = request.map(Body::from);
    match faults.decide(asked) {
        Fault::None => service.call(request).await,
        Fault::Say(status, code) => Ok(said(status, code)),
        Fault::DoAndSay(status) => {
            let answer = service.call(request).await?;
            // Some answers do their work while they are sent.
            drain(answer.into_body()).await;
            Ok(said(status, "InternalError"))
        }
        Fault::Answer(text) => Ok(Response::new(Body::from(text))),
        Fault::Slow(time) => {
            tokio::time::sleep(time).await;
            service.call(request).await
        }
        Fault::Hang => std::future::pending().await,
        Fault::BreakRequest(bytes) => {
            let mut body = std::pin::pin!(request.into_body());
            let mut left = bytes;
            while let Some(Ok(frame)) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
                left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                if left == 0 {
                    break;
                }
            }
            Err(HttpError::new(Box::from("the test breaks the connection")))
        }
        Fault::BreakAnswer(bytes) => {
            let answer = service.call(request).await?;
            let (mut parts, body) = answer.into_parts();
            if let Some(length) = body.size_hint().exact() {
                parts.headers.insert(CONTENT_LENGTH, length.into());
            }
            Ok(Response::from_parts(parts, Body::http_body_unsync(Broken { body, left: bytes, is_flushed: false })))
        }
        Fault::Flip => {
            request = request.map(|body| Body::http_body_unsync(Flipped { body, is_done: false }));
            service.call(request).await
        }
    }
}

fn said(status: u16, code: &str) -> Response<Body> {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>of the test</Message></Error>");
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

async fn drain(body: Body) {
    let mut body = std::pin::pin!(body);
    while let Some(Ok(_)) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {}
}

/// A body that breaks.
struct Broken {
    body: Body,
    left: u64,
    /// Whether what came before the break has had its chance to leave.
    is_flushed: bool,
}

type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 && !self.is_flushed {
            // The connection sends what it holds when there is nothing more at once.
            self.is_flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left == 0 {
            return Poll::Ready(Some(Err("the test breaks the connection".into())));
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let mut data = frame.into_data().unwrap_or_default();
                data.truncate(usize::try_from(self.left).unwrap());
                self.left -= data.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            other => other,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose first byte is another one.
struct Flipped {
    body: Body,
    is_done: bool,
}

impl hyper::body::Body for Flipped {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = polled {
            let data = frame.into_data().unwrap_or_default();
            if self.is_done || data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.is_done = true;
            let mut flipped = data.to_vec();
            flipped[0] ^= 1;
            return Poll::Ready(Some(Ok(Frame::data(flipped.into()))));
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
