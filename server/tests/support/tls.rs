//! An authority of the test's own, and a TLS client that trusts nobody else.

use crate::support::{Answer, PATIENCE, request_on};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SerialNumber};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The name that certificates are for.
pub(crate) const NAME: &str = "calls.example.org";

/// Makes certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Puts a pair into the folder, the certificate whole at once; it lasts that many days from now.
    pub(crate) fn issue(&self, folder: &Path, serial: u8, days: i64) -> SystemTime {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        let ends = SystemTime::now() - Duration::from_secs(3600 * 24 * 30)
            + Duration::from_secs(u64::try_from((days + 30) * 86_400).unwrap());
        params.not_before = (SystemTime::now() - Duration::from_secs(3600 * 24 * 60)).into();
        params.not_after = ends.into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(folder.join("cert.new"), certificate.pem()).unwrap();
        std::fs::rename(folder.join("cert.new"), folder.join("cert.pem")).unwrap();
        ends
    }

    pub(crate) fn client(&self) -> Client {
        Client::trusting(&self.pem)
    }
}

/// A client that takes certificates of one authority only.
#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Client {
    pub(crate) fn trusting(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }

    /// After the handshake. The error is the handshake's.
    pub(crate) fn connect(&self, to: SocketAddr, name: &str) -> std::io::Result<Stream> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(tls, stream))
    }

    pub(crate) fn get(&self, to: SocketAddr, name: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.connect(to, name).unwrap();
        let headers = format!("host: {name}:{}\r\n{headers}", to.port());
        request_on(&mut stream, "GET", path, &headers, "").unwrap()
    }
}

/// The serial number of the certificate that the server has shown.
pub(crate) fn serial(stream: &Stream) -> u8 {
    let shown = &stream.conn.peer_certificates().unwrap()[0];
    // DER: the first INTEGER after the version (RFC 5280 §4.1).
    let at = shown.windows(5).position(|bytes| bytes == [0xa0, 3, 2, 1, 2]).unwrap() + 5;
    assert_eq!(shown[at..at + 2], [2, 1], "a serial number of one byte");
    shown[at + 2]
}

/// A WebSocket on a connection, which can tell whether it still goes.
pub(crate) struct WebSocket(pub(crate) Stream);

impl WebSocket {
    pub(crate) fn open(mut stream: Stream) -> Self {
        let head = format!(
            "GET /v1/ws HTTP/1.1\r\nhost: {NAME}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: \
             13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: tertulia.v1.json\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    /// Sends a ping and waits for its pong (RFC 6455 §5.5.2): no frame of ours means anything before `hello`.
    pub(crate) fn ping(&mut self) {
        // Masked with zeros.
        self.0.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
        let mut pong = [0; 4];
        self.0.read_exact(&mut pong).unwrap();
        assert_eq!(pong, [0x8a, 2, b'h', b'i']);
    }
}
