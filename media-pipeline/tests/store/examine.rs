//! What the doctor is told of a bucket.

use crate::s3::{Fault, Server};
use std::time::Duration;
use tertulia_media_pipeline::store::{S3, S3Config, StoreError};

fn open(config: &S3Config) -> S3 {
    S3::open(&S3Config { attempts_max: 1, ..config.clone() }).unwrap()
}

#[tokio::test]
async fn s8_a_bucket_that_works_is_found_so_and_nothing_is_left_in_it() {
    let server = Server::start().await;
    let examined = open(&server.config()).examine().await;
    assert_eq!(examined.found, Ok(()));
    assert!(examined.clocks_apart.unwrap() < Duration::from_secs(60), "the same machine's clock: {examined:?}");
    assert_eq!(server.objects(), Vec::<String>::new());
    let methods: Vec<String> = server.faults.asked().iter().map(|asked| asked.method.to_string()).collect();
    assert_eq!(methods, ["PUT", "GET", "DELETE"]);
}

#[tokio::test]
async fn s8_what_a_key_may_not_do_is_named() {
    let server = Server::start().await;
    for (method, doing) in [("PUT", "putting"), ("GET", "reading"), ("DELETE", "deleting")] {
        server.faults.set(move |asked| match asked.method == method {
            true => Fault::Say(403, "AccessDenied"),
            false => Fault::None,
        });
        let examined = open(&server.config()).examine().await;
        assert_eq!(examined.found, Err(StoreError::Failed(format!("{doing}: 403 AccessDenied"))));
        // A refusal tells the time as well.
        assert!(examined.clocks_apart.is_some());
        if method == "GET" {
            assert_eq!(server.objects(), Vec::<String>::new(), "taken back though it could not be read");
        }
    }
}

#[tokio::test]
async fn s8_a_wrong_bucket_a_wrong_key_and_a_service_that_is_away_are_told_apart() {
    let mut server = Server::start().await;
    // The server of these tests makes buckets as they are asked for.
    server.faults.set(|_| Fault::Say(404, "NoSuchBucket"));
    let found = open(&server.config()).examine().await.found;
    assert!(matches!(&found, Err(StoreError::Failed(why)) if why.contains("no such bucket")), "{found:?}");
    server.faults.clear();
    let wrong_key = S3Config { secret_key: Some("another".to_owned().into()), ..server.config() };
    let found = open(&wrong_key).examine().await.found;
    assert!(matches!(&found, Err(StoreError::Failed(why)) if why.contains("403")), "{found:?}");
    server.faults.set(|_| Fault::Say(403, "RequestTimeTooSkewed"));
    let found = open(&server.config()).examine().await.found;
    assert!(matches!(&found, Err(StoreError::Failed(why)) if why.contains("clock")), "{found:?}");
    server.stop().await;
    let examined = open(&server.config()).examine().await;
    assert!(matches!(&examined.found, Err(StoreError::Unavailable(_))), "{examined:?}");
    assert_eq!(examined.clocks_apart, None);
}
