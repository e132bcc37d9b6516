//! S3 over TLS: with the authority that is trusted, and with none.

use crate::s3::Server;
use crate::{Home, noise, read};
use std::sync::Arc;
use tertulia_media_pipeline::store::{BlobStore, S3, S3Config};

#[tokio::test]
async fn d5_a_service_is_spoken_to_over_tls_if_its_certificate_is_of_the_authority_that_is_set() {
    let home = Home::new();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let server = Server::start_tls(&certified).await;
    let store = |pem: String| -> Arc<dyn BlobStore> {
        let file = home.path().join("ca.pem");
        std::fs::write(&file, pem).unwrap();
        let config = S3Config { ca_file: Some(file), attempts_max: 1, ..server.config() };
        assert!(config.endpoint_url.as_ref().unwrap().starts_with("https://localhost:"));
        Arc::new(S3::open(&config).unwrap())
    };
    let trusting = store(certified.cert.pem());
    let key = home.put(&trusting, &noise(1, 200_000)).await.unwrap();
    assert!(read(&trusting, key, None).await.unwrap() == noise(1, 200_000));
    let before = server.faults.asked().len();
    let wary = store(stranger.cert.pem());
    assert!(home.put(&wary, &noise(2, 1_000)).await.is_err());
    assert!(read(&wary, key, None).await.is_err());
    assert_eq!(server.faults.asked().len(), before, "nothing was asked of a service that nobody vouches for");
}
