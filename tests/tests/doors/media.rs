//! Files, by everyone who may not have them: strangers, people it is not for, people it is not for any more.

use crate::strangers;
use anyhow::{Context, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tertulia_tests::accounts::{Account, Carrier};
use tertulia_tests::person::path;
use tertulia_tests::{Person, Server};

/// Status and body: all that an answer can tell by.
async fn told(asked: RequestBuilder) -> anyhow::Result<(u16, String)> {
    let answer = asked.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

struct Scene {
    server: Server,
    carrier: Carrier,
    owner: Account,
    mallory: Account,
}

impl Scene {
    async fn new() -> anyhow::Result<Self> {
        let carrier = Carrier::open().await?;
        let server = carrier.server().set("signaling.http_requests_burst", 2_000).start().await?;
        let owner = Account::new(&server, &carrier, "Ana").await?;
        let mallory = Account::new(&server, &carrier, "Mallory").await?;
        Ok(Self { server, carrier, owner, mallory })
    }

    fn person(&self, account: &Account) -> Person {
        Person::with_token(&self.server, &account.token)
    }
}

/// A resumable upload of this person's, half way.
async fn half(person: &Person) -> anyhow::Result<String> {
    let begun = person.ask(Method::POST, "/v1/media/tus").header("tus-resumable", "1.0.0").header("upload-length", 10);
    let place = begun.send().await?.headers()["location"].to_str()?.to_owned();
    ensure!(piece(person, Method::PATCH, &place, 0).body("12345").send().await?.status() == 204);
    Ok(place)
}

fn piece(person: &Person, method: Method, place: &str, offset: usize) -> RequestBuilder {
    let asked = person.ask(method, place).header("tus-resumable", "1.0.0").header("upload-offset", offset);
    asked.header("content-type", "application/offset+octet-stream")
}

#[tokio::test]
async fn a3_anothers_resumable_upload_or_claim_is_as_if_there_were_none() -> anyhow::Result<()> {
    let scene = Scene::new().await?;
    let (ana, mallory) = (scene.person(&scene.owner), scene.person(&scene.mallory));
    let place = half(&ana).await?;
    let nowhere = format!("/v1/media/tus/{}", "0".repeat(32));
    for method in [Method::HEAD, Method::PATCH, Method::DELETE] {
        let hers = told(piece(&mallory, method.clone(), &place, 5)).await?;
        let none = told(piece(&mallory, method.clone(), &nowhere, 5)).await?;
        ensure!(hers == none && hers.0 == 404, "{method}: {hers:?}, {none:?}");
    }
    for method in ["PATCH", "DELETE"] {
        let by = |place: &str| piece(&mallory, Method::POST, place, 5).header("x-http-method-override", method);
        let (hers, none) = (told(by(&place)).await?, told(by(&nowhere)).await?);
        ensure!(hers == none && hers.0 == 404, "{method}: {hers:?}, {none:?}");
    }
    // It is hers, and stands where it stood.
    ensure!(piece(&ana, Method::PATCH, &place, 5).body("67890").send().await?.status() == 204);
    let claim = json!({"sha256": "0".repeat(64), "size": 10});
    let (status, begun) = ana.tell(Method::POST, "/v1/media/claims", claim).await?;
    ensure!(status == 201, "{status}: {begun}");
    let claim = |id: &str| (format!("/v1/media/claims/{id}"), json!({"proof": "A".repeat(43)}));
    let (hers, body) = claim(begun["claim_id"].as_str().context("a claim")?);
    let (none, _) = claim(&"0".repeat(32));
    let hers = mallory.tell(Method::PUT, &hers, body.clone()).await?;
    let none = mallory.tell(Method::PUT, &none, body).await?;
    ensure!(hers == none && hers.0 == 409, "{hers:?}, {none:?}");
    Ok(())
}

#[tokio::test]
async fn a3_nobody_sends_or_has_a_file_by_a_token_that_does_not_count() -> anyhow::Result<()> {
    let scene = Scene::new().await?;
    let ana = scene.person(&scene.owner);
    let sent = ana.upload("?keep=true", "hers").await?;
    let place = half(&ana).await?;
    for stranger in strangers(&scene.server, &scene.carrier).await? {
        let Some(token) = stranger.token else { continue };
        let nobody = Person::with_token(&scene.server, &token);
        // With all that makes the request a good one but the token; a body is not read.
        let at = path(&sent, "")?;
        let tus = |method: Method, place: &str| piece(&nobody, method, place, 5).header("upload-length", 5);
        for asked in [
            nobody.ask(Method::HEAD, &at),
            nobody.ask(Method::GET, &at).header("range", "bytes=0-1"),
            nobody.ask(Method::GET, &at).header("if-none-match", "*"),
            nobody.ask(Method::HEAD, &format!("{at}/thumbnail")),
            nobody.ask(Method::POST, "/v1/media").body(vec![7; 100_000]),
            nobody.ask(Method::POST, "/v1/media").header("content-type", "multipart/form-data; boundary=x").body("--x"),
            tus(Method::POST, "/v1/media/tus").body("12345"),
            tus(Method::HEAD, &place),
            tus(Method::PATCH, &place).body("67890"),
            tus(Method::DELETE, &place),
            tus(Method::POST, &place).header("x-http-method-override", "DELETE"),
        ] {
            let answer = asked.send().await?;
            ensure!(answer.status() == 401, "{}: {answer:?}", stranger.name);
        }
    }
    ensure!(ana.fetch(&sent).await? == b"hers");
    let incoming = std::fs::read_dir(scene.server.data_dir().join("media/incoming"))?.count();
    ensure!(incoming == 1, "{incoming} on their way, not Ana's one");
    Ok(())
}

#[tokio::test]
async fn a3_who_had_a_file_and_has_it_no_more_learns_nothing() -> anyhow::Result<()> {
    let scene = Scene::new().await?;
    let (ana, mallory) = (scene.person(&scene.owner), scene.person(&scene.mallory));
    let tablet = scene.mallory.link(&scene.server).await?;
    let sent = ana.upload("?keep=true", "hers").await?;
    ana.share(&sent, &[&scene.mallory.user]).await?;
    ensure!(mallory.fetch(&sent).await? == b"hers");
    // To have it is not to own it.
    let absent = json!({"media_id": "01a0c458-0d20-7180-b398-874989484820"});
    for (method, rest) in [(Method::DELETE, ""), (Method::PUT, "/keep"), (Method::DELETE, "/keep")] {
        let hers = mallory.with(&sent, method.clone(), rest, Value::Null).await?;
        let none = mallory.with(&absent, method.clone(), rest, Value::Null).await?;
        ensure!(hers == none && hers.0 == 404, "{method} {rest}: {hers:?}");
    }
    let (status, link) = mallory.with(&sent, Method::POST, "/link", json!({})).await?;
    ensure!(status == 201, "{status}: {link}");
    // An unlinked device has nothing of what its person has.
    let unlinked = scene.person(&tablet);
    ensure!(unlinked.fetch(&sent).await? == b"hers");
    ensure!(scene.mallory.unlink(&scene.server, &tablet.device).await?.status == 204);
    ensure!(unlinked.get(&sent, "").await?.status() == 401);
    // Taken back.
    let (status, said) =
        ana.with(&sent, Method::DELETE, &format!("/share/{}", scene.mallory.user), Value::Null).await?;
    ensure!(status == 204, "{status}: {said}");
    for (method, rest, body) in [
        (Method::GET, "", Value::Null),
        (Method::GET, "/thumbnail", Value::Null),
        (Method::GET, "/status", Value::Null),
        (Method::POST, "/link", json!({})),
        (Method::POST, "/share", json!({"to": [scene.owner.user]})),
        (Method::POST, "/open", Value::Null),
        (Method::POST, "/opened", Value::Null),
    ] {
        let hers = mallory.with(&sent, method.clone(), rest, body.clone()).await?;
        let none = mallory.with(&absent, method.clone(), rest, body).await?;
        ensure!(hers == none && hers.0 == 404, "{method} {rest}: {hers:?}, {none:?}");
    }
    let known = mallory.ask(Method::GET, &path(&sent, "")?).header("if-none-match", "*").send().await?;
    ensure!(known.status() == 404, "{known:?}");
    Ok(())
}
