//! A service, or the way to it, that fails: nothing that was confirmed is lost, nothing in part is seen, every failure is
//! typed and comes in bounded time, and what was sent in vain is taken back.

use crate::s3::{Asked, Fault, SECRET_KEY, Server};
use crate::{Home, key_of, noise, read};
use std::sync::Arc;
use std::time::Duration;
use tertulia_media_pipeline::store::{BlobStore, S3, S3Config, StoreError};

/// More than a single request takes: three parts, of which the last is small.
const LARGE: usize = 16 * 1024 * 1024 + 17;
/// Attempts of the stores here.
const ATTEMPTS: u32 = 3;

struct Scene {
    home: Home,
    server: Server,
    store: Arc<dyn BlobStore>,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::start().await;
        let store = store(&server, |_| {});
        Self { home: Home::new(), server, store }
    }

    fn leaves_nothing(&self) {
        assert_eq!(self.server.objects(), Vec::<String>::new());
        assert_eq!(self.server.leftovers(), Vec::<String>::new());
    }
}

fn store(server: &Server, change: impl FnOnce(&mut S3Config)) -> Arc<dyn BlobStore> {
    let mut config = S3Config { attempts_max: ATTEMPTS, ..server.config() };
    change(&mut config);
    Arc::new(S3::open(&config).unwrap())
}

/// This fault for the first `times` requests that `which` is about.
fn first(times: usize, which: fn(&Asked) -> bool, fault: fn() -> Fault) -> impl FnMut(&Asked) -> Fault + Send {
    let mut left = times;
    move |asked| {
        if left > 0 && which(asked) {
            left -= 1;
            fault()
        } else {
            Fault::None
        }
    }
}

fn any(_: &Asked) -> bool {
    true
}

/// Waits for what comes by itself.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain: {what}");
}

#[tokio::test]
async fn d5_a_service_that_fails_for_a_moment_is_asked_again() {
    let Scene { home, server, store } = Scene::new().await;
    for fault in [
        || Fault::Say(500, "InternalError"),
        || Fault::Say(503, "SlowDown"),
        || Fault::DoAndSay(500),
        || Fault::BreakRequest(50_000),
        || Fault::Slow(Duration::from_millis(200)),
    ] {
        let blob = noise(server.objects().len() as u64, 200_000);
        server.faults.set(first(2, any, fault));
        let key = home.put(&store, &blob).await.unwrap();
        assert!(server.faults.asked().len() <= ATTEMPTS as usize);
        assert!(read(&store, key, None).await.unwrap() == blob);
    }
}

#[tokio::test]
async fn d5_a_service_that_goes_on_failing_is_given_up_after_its_attempts() {
    let scene = Scene::new().await;
    let Scene { home, server, store } = &scene;
    for fault in [|| Fault::Say(500, "InternalError"), || Fault::Say(503, "SlowDown"), || Fault::BreakRequest(1)] {
        server.faults.set(first(usize::MAX, any, fault));
        let failed = home.put(store, &noise(1, 200_000)).await.unwrap_err();
        assert!(failed.is_transient(), "{failed}");
        assert_eq!(server.faults.asked().len(), ATTEMPTS as usize);
        assert!(read(store, key_of(b"x"), None).await.unwrap_err().is_transient());
        assert!(store.size(key_of(b"x")).await.unwrap_err().is_transient());
        assert!(store.delete(key_of(b"x")).await.unwrap_err().is_transient());
        assert!(store.list(None, 1).await.unwrap_err().is_transient());
        assert!(store.probe().await.unwrap_err().is_transient());
    }
    scene.leaves_nothing();
}

#[tokio::test]
async fn d5_a_service_that_is_down_is_asked_once_for_each_request_and_more_often_when_it_is_back() {
    let Scene { server, store, .. } = Scene::new().await;
    server.faults.set(first(usize::MAX, any, || Fault::Say(503, "SlowDown")));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..150 {
        let store = Arc::clone(&store);
        requests.spawn(async move { store.size(key_of(b"x")).await });
    }
    while let Some(done) = requests.join_next().await {
        assert!(done.unwrap().unwrap_err().is_transient());
    }
    let asked = server.faults.asked().len();
    assert!(asked < 150 * ATTEMPTS as usize - 20, "{asked} times, as if each request were the only one");
    server.faults.clear();
    for _ in 0..20 {
        store.list(None, 1).await.unwrap();
    }
    server.faults.set(first(1, any, || Fault::Say(503, "SlowDown")));
    store.list(None, 1).await.unwrap();
    assert_eq!(server.faults.asked().len(), 2);
}

#[tokio::test]
async fn d5_a_service_that_never_answers_costs_a_bounded_time() {
    let Scene { home, server, .. } = Scene::new().await;
    let store = store(&server, |config| (config.request_timeout_ms, config.attempts_max) = (200, 2));
    server.faults.set(first(usize::MAX, any, || Fault::Hang));
    // Two attempts of 0.2 s, with room for a busy machine. Without a bound it would never end.
    let bounded = tokio::time::timeout(Duration::from_secs(60), async {
        assert!(home.put(&store, &noise(1, 1_000)).await.unwrap_err().is_transient());
        assert!(read(&store, key_of(b"x"), None).await.unwrap_err().is_transient());
        assert!(store.probe().await.unwrap_err().is_transient());
    });
    bounded.await.unwrap();
}

#[tokio::test]
async fn d5_a_full_service_says_so_and_is_not_asked_again() {
    let scene = Scene::new().await;
    let Scene { home, server, store } = &scene;
    for fault in [|| Fault::Say(507, ""), || Fault::Say(400, "XMinioStorageFull"), || Fault::Say(403, "QuotaExceeded")]
    {
        server.faults.set(first(usize::MAX, Asked::is_put, fault));
        assert_eq!(home.put(store, &noise(1, 1_000)).await, Err(StoreError::Full));
        assert_eq!(server.faults.asked().len(), 1);
    }
    server.faults.set(first(usize::MAX, Asked::is_upload_of_part, || Fault::Say(507, "")));
    assert_eq!(home.put(store, &noise(1, LARGE)).await, Err(StoreError::Full));
    server.faults.clear();
    scene.leaves_nothing();
}

#[tokio::test]
async fn d5_bytes_that_change_on_the_way_are_not_confirmed() {
    let Scene { home, server, store } = Scene::new().await;
    server.faults.set(first(usize::MAX, Asked::is_put, || Fault::Flip));
    assert_eq!(home.put(&store, &noise(1, 10_000)).await, Err(StoreError::Damaged));
    server.faults.clear();
    let key = home.put(&store, &noise(1, 10_000)).await.unwrap();
    assert!(read(&store, key, None).await.unwrap() == noise(1, 10_000), "the next put mends it");
}

#[tokio::test]
async fn d5_a_read_that_breaks_off_is_taken_up_where_it_was() {
    let Scene { home, server, store } = Scene::new().await;
    let blob = noise(2, 1_000_000);
    let key = home.put(&store, &blob).await.unwrap();
    for range in [None, Some(0..1_000_000), Some(123..999_999)] {
        server.faults.set(first(2, any, || Fault::BreakAnswer(300_000)));
        let got = read(&store, key, range.clone()).await.unwrap();
        let asked = range.unwrap_or(0..1_000_000);
        let expected = &blob[usize::try_from(asked.start).unwrap()..usize::try_from(asked.end).unwrap()];
        assert!(got == expected, "it was broken off twice, and is whole");
        assert_eq!(server.faults.asked().len(), 3);
    }
}

#[tokio::test]
async fn d5_a_read_that_breaks_off_again_and_again_fails_and_gives_no_wrong_byte() {
    use futures_util::StreamExt;
    let Scene { home, server, store } = Scene::new().await;
    let blob = noise(3, 1_000_000);
    let key = home.put(&store, &blob).await.unwrap();
    server.faults.set(first(usize::MAX, any, || Fault::BreakAnswer(10_000)));
    let mut got = store.read(key, None).await.unwrap();
    let mut all = Vec::new();
    let failed = loop {
        match got.body.next().await.expect("an end without an error") {
            Ok(piece) => all.extend_from_slice(&piece),
            Err(error) => break error,
        }
    };
    assert!(failed.is_transient(), "{failed}");
    assert!(!all.is_empty() && all.len() < blob.len() && blob.starts_with(&all));
    assert!(got.body.next().await.is_none(), "nothing follows an error");
    assert!(server.faults.asked().len() < 10);
}

#[tokio::test]
async fn d5_an_object_that_was_cut_short_on_the_services_disk_is_damage() {
    let Scene { home, server, store } = Scene::new().await;
    let key = home.put(&store, &noise(4, 100_000)).await.unwrap();
    let object = std::fs::OpenOptions::new().write(true).open(server.object(&key.to_string())).unwrap();
    object.set_len(99_999).unwrap();
    assert_eq!(read(&store, key, Some(0..100_000)).await, Err(StoreError::Damaged));
    assert_eq!(store.read(key, None).await.unwrap().size, 99_999, "whoever knows the size sees it");
}

#[tokio::test]
async fn d5_a_part_that_fails_ends_the_upload_and_takes_back_what_was_sent() {
    let scene = Scene::new().await;
    let Scene { home, server, store } = &scene;
    let is_second = |asked: &Asked| asked.is_upload_of_part() && asked.query.contains("partNumber=2");
    server.faults.set(first(usize::MAX, is_second, || Fault::Say(500, "InternalError")));
    let blob = noise(5, LARGE);
    assert!(home.put(store, &blob).await.unwrap_err().is_transient());
    assert!(server.faults.asked().iter().any(Asked::is_abort));
    scene.leaves_nothing();

    server.faults.set(first(2, is_second, || Fault::BreakRequest(1_000_000)));
    let key = home.put(store, &blob).await.unwrap();
    assert!(read(store, key, None).await.unwrap() == blob, "a part that fails for a moment is sent again");
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn d5_an_upload_that_was_completed_counts_even_if_the_services_word_was_lost() {
    let Scene { home, server, store } = Scene::new().await;
    let blob = noise(6, LARGE);
    server.faults.set(first(1, Asked::is_completion, || Fault::DoAndSay(500)));
    let key = home.put(&store, &blob).await.unwrap();
    assert!(read(&store, key, None).await.unwrap() == blob);
}

#[tokio::test]
async fn d5_an_upload_that_was_not_completed_does_not_count() {
    let scene = Scene::new().await;
    let Scene { home, server, store } = &scene;
    server.faults.set(first(usize::MAX, Asked::is_completion, || Fault::Say(500, "InternalError")));
    assert!(home.put(store, &noise(7, LARGE)).await.unwrap_err().is_transient());
    scene.leaves_nothing();
}

#[tokio::test]
async fn d5_an_upload_that_nobody_waits_for_any_more_is_taken_back() {
    let scene = Scene::new().await;
    let Scene { home, server, store } = &scene;
    let is_third = |asked: &Asked| asked.is_upload_of_part() && asked.query.contains("partNumber=3");
    server.faults.set(first(usize::MAX, is_third, || Fault::Hang));
    let blob = noise(8, LARGE);
    let spooled = home.spooled(blob.clone()).await;
    let put = store.put(key_of(&blob), &spooled);
    let is_hanging = until("the third part is on its way", || server.faults.asked().iter().any(is_third));
    tokio::select! {
        done = put => panic!("it can't be done: {done:?}"),
        () = is_hanging => {}
    }
    until("it is aborted", || server.faults.asked().iter().any(Asked::is_abort)).await;
    until("nothing is left", || server.leftovers().is_empty()).await;
    scene.leaves_nothing();
}

#[tokio::test]
async fn d5_a_service_that_goes_away_and_comes_back_has_all_that_was_confirmed() {
    let Scene { home, mut server, store } = Scene::new().await;
    let mut confirmed = Vec::new();
    for seed in 0..12 {
        let blob = noise(seed, 60_000);
        match seed {
            4 => server.stop().await,
            8 => server.start_again().await,
            _ => {}
        }
        let put = home.put(&store, &blob).await;
        assert_eq!(put.is_ok(), !(4..8).contains(&seed), "{put:?}");
        match put {
            Ok(key) => confirmed.push((key, blob)),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    assert_eq!(store.list(None, 100).await.unwrap().len(), confirmed.len());
    for (key, blob) in confirmed {
        assert!(read(&store, key, None).await.unwrap() == blob);
    }
}

#[tokio::test]
async fn d5_what_was_confirmed_under_all_kinds_of_faults_is_there() {
    let Scene { home, server, store } = Scene::new().await;
    let mut count = 0_u32;
    server.faults.set(move |_| {
        count += 1;
        match count % 7 {
            1 => Fault::Say(503, "SlowDown"),
            2 => Fault::BreakRequest(30_000),
            4 => Fault::DoAndSay(500),
            5 => Fault::Say(500, "InternalError"),
            _ => Fault::None,
        }
    });
    let mut confirmed = Vec::new();
    for seed in 0..15 {
        let blob = noise(seed, 80_000);
        match home.put(&store, &blob).await {
            Ok(key) => confirmed.push((key, blob)),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    server.faults.clear();
    assert!(!confirmed.is_empty());
    for (key, blob) in confirmed {
        assert!(read(&store, key, None).await.unwrap() == blob);
    }
}

#[tokio::test]
async fn d5_a_wrong_secret_is_told_without_telling_it() {
    let Scene { home, server, .. } = Scene::new().await;
    let wrong = "another secret of the tests";
    let store = store(&server, |config| config.secret_key = Some(wrong.to_owned().into()));
    let failed = home.put(&store, &noise(1, 1_000)).await.unwrap_err();
    assert!(matches!(failed, StoreError::Failed(_)), "nobody need wait for it to pass: {failed:?}");
    assert!(store.probe().await.is_err());
    let config = S3Config { secret_key: Some(wrong.to_owned().into()), ..server.config() };
    for text in [format!("{failed:?} {failed}"), format!("{config:?}"), format!("{store:?}", store = S3::open(&config))]
    {
        assert!(!text.contains(wrong) && !text.contains(SECRET_KEY), "{text}");
    }
}

#[tokio::test]
async fn d5_a_bucket_that_is_not_there_is_no_blob_that_is_not_there() {
    let Scene { server, .. } = Scene::new().await;
    server.faults.set(first(usize::MAX, any, || Fault::Say(404, "NoSuchBucket")));
    let store = store(&server, |_| {});
    assert!(matches!(read(&store, key_of(b"x"), None).await, Err(StoreError::Failed(_))));
    assert!(matches!(store.probe().await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn d5_a_service_that_sends_another_part_than_was_asked_is_not_believed() {
    let Scene { home, server, store } = Scene::new().await;
    let key = home.put(&store, &noise(1, 10_000)).await.unwrap();
    server.faults.set(first(usize::MAX, any, || Fault::Answer("0123456789".repeat(1_000))));
    assert!(matches!(read(&store, key, Some(100..200)).await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn d5_a_sweep_aborts_what_a_crash_has_left_and_nothing_younger() {
    let Scene { server, store, .. } = Scene::new().await;
    let upload = |id: &str, begun: &str| {
        format!("<Upload><Key>one/{id}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>")
    };
    let page = format!(
        "<ListMultipartUploadsResult><Bucket>media</Bucket><IsTruncated>false</IsTruncated>{}{}{}</ListMultipartUploadsResult>",
        upload("old", "2020-01-01T00:00:00.000Z"),
        upload("young", "2200-01-01T00:00:00.000Z"),
        upload("older", "2019-01-01T00:00:00.000Z"),
    );
    server.faults.set(move |asked| match asked.query.contains("uploads") {
        true => Fault::Answer(page.clone()),
        false => Fault::Say(204, ""),
    });
    assert_eq!(store.sweep().await, Ok(2));
    let aborted: Vec<_> = server.faults.asked().into_iter().filter(Asked::is_abort).map(|asked| asked.path).collect();
    assert_eq!(aborted, ["/media/one/old", "/media/one/older"]);
}
