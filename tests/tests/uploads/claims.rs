//! What is here need not be sent again (d6): claims by proof of possession, one file on the disk for the same bytes.

use crate::disk::{blobs, incoming, nothing_incoming};
use crate::send::hex;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tertulia_tests::media_files::{film, noise, picture};
use tertulia_tests::{Client, Person, Server};

/// Asks to prove that one has this.
pub(crate) async fn challenge(person: &Person, bytes: &[u8], treatment: &str) -> anyhow::Result<Value> {
    let asked = json!({"sha256": hex(&Sha256::digest(bytes)), "size": bytes.len(), "as": treatment});
    let (status, challenge) = person.tell(Method::POST, "/v1/media/claims", asked).await?;
    ensure!(status == 201, "{status}: {challenge}");
    Ok(challenge)
}

/// The proof of having these bytes.
pub(crate) fn proof(challenge: &Value, bytes: &[u8]) -> anyhow::Result<String> {
    let h2 = Sha256::digest([b"proof", bytes].concat());
    let mut mac = Hmac::<Sha256>::new_from_slice(&h2)?;
    mac.update(&URL_SAFE_NO_PAD.decode(challenge["nonce"].as_str().context("a nonce")?)?);
    Ok(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Answers it.
pub(crate) async fn prove(person: &Person, challenge: &Value, proof: &str) -> anyhow::Result<(u16, Value)> {
    let path = format!("/v1/media/claims/{}", challenge["claim_id"].as_str().context("a claim")?);
    person.tell(Method::PUT, &path, json!({"proof": proof, "file_name": "mine.avi", "keep": true})).await
}

/// Names of what an answer says: what a stranger could tell apart.
fn shape(said: &Value) -> Vec<(String, usize)> {
    let fields = said.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), value.to_string().len())).collect()
}

#[tokio::test]
async fn d6_who_has_the_bytes_need_not_send_them() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (alice, bob) = (Person::new(&server, "alice"), Person::new(&server, "bob"));
    let bytes = film()?;
    let made = alice.upload("?keep=true&file_name=hers.avi", bytes.clone()).await?;
    let kept = blobs(&server);
    let begun = challenge(&bob, &bytes, "auto").await?;
    let (status, claimed) = prove(&bob, &begun, &proof(&begun, &bytes)?).await?;
    // It is what was made of it, under his name for it; and he has sent two hashes, and not a byte of it.
    ensure!(status == 201 && claimed["state"] == "ready" && claimed["owner"] == "bob", "{status}: {claimed}");
    ensure!(claimed["file_name"] == "mine.avi" && claimed["media_id"] != made["media_id"], "{claimed}");
    ensure!(bob.fetch(&claimed).await? == alice.fetch(&made).await?);
    ensure!(blobs(&server) == kept && incoming(&server).is_empty());
    // His own: hers may go.
    alice.delete(&made).await?;
    ensure!(!bob.fetch(&claimed).await?.is_empty());
    let metrics = server.metrics().await?;
    ensure!(metrics.sum("tertulia_media_claims_proved", &[]) == 1.0);
    Ok(())
}

#[tokio::test]
async fn d6_a_claim_tells_nothing_and_a_hash_alone_is_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (alice, mallory) = (Person::new(&server, "alice"), Person::new(&server, "mallory"));
    drop(Client::connect(&server, "mallory").await?);
    let (known, unknown, once) = (noise(1, 50_000), noise(2, 50_000), noise(3, 50_000));
    alice.upload("?keep=true", known.clone()).await?;
    alice.upload("?view_once=mallory", once.clone()).await?;
    // Whatever is asked for, the challenge looks alike, and so does what follows a wrong proof.
    let (here, nowhere) = (challenge(&mallory, &known, "auto").await?, challenge(&mallory, &unknown, "auto").await?);
    ensure!(shape(&here) == shape(&nowhere) && here["nonce"] != nowhere["nonce"], "{here} {nowhere}");
    let over = prove(&mallory, &nowhere, &proof(&nowhere, &unknown)?).await?;
    ensure!(over.0 == 409 && over.1["error"]["code"] == "claim_over", "{over:?}");
    let guess = URL_SAFE_NO_PAD.encode(Sha256::digest(&known));
    ensure!(prove(&mallory, &here, &guess).await? == over, "a wrong proof");
    ensure!(prove(&mallory, &here, &proof(&here, &known)?).await? == over, "a second try");
    // A proof of another challenge; another's challenge; of another size, or treated otherwise; what is to be seen once.
    let (first, second) = (challenge(&mallory, &known, "auto").await?, challenge(&mallory, &known, "auto").await?);
    ensure!(prove(&mallory, &second, &proof(&first, &known)?).await? == over, "another challenge's proof");
    let hers = challenge(&alice, &known, "auto").await?;
    ensure!(prove(&mallory, &hers, &proof(&hers, &known)?).await? == over, "another's claim");
    ensure!(prove(&alice, &hers, &proof(&hers, &known)?).await?.0 == 201, "it was hers still");
    ensure!(prove(&alice, &hers, &proof(&hers, &known)?).await? == over, "replayed");
    let other = challenge(&mallory, &known, "sealed").await?;
    ensure!(prove(&mallory, &other, &proof(&other, &known)?).await? == over, "treated otherwise");
    let (status, sized) = mallory
        .tell(Method::POST, "/v1/media/claims", json!({"sha256": hex(&Sha256::digest(&known)), "size": 49_999}))
        .await?;
    ensure!(status == 201 && prove(&mallory, &sized, &proof(&sized, &known)?).await? == over, "another size");
    let seen = challenge(&mallory, &once, "auto").await?;
    ensure!(prove(&mallory, &seen, &proof(&seen, &once)?).await? == over, "what is to be seen once");
    for wrong in ["", "short", "!!!"] {
        let begun = challenge(&mallory, &known, "auto").await?;
        let (status, said) = prove(&mallory, &begun, wrong).await?;
        ensure!(status == 400, "{wrong:?}: {status}: {said}");
    }
    for wrong in [json!({"sha256": "12", "size": 1}), json!({"sha256": "z".repeat(64), "size": 1}), json!({"size": 1})]
    {
        ensure!(mallory.tell(Method::POST, "/v1/media/claims", wrong).await?.0 == 400);
    }
    ensure!(mallory.listed().await?.is_empty(), "something was had by a hash");
    Ok(())
}

#[tokio::test]
async fn d6_the_same_bytes_at_once_are_one_job_and_one_file() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (alice, bob, carol) =
        (Person::new(&server, "alice"), Person::new(&server, "bob"), Person::new(&server, "carol"));
    for (bytes, kept) in [(picture("jpg", 320, 200)?, 3), (noise(4, 400_000), 4)] {
        let sends = [&alice, &bob, &carol, &alice].map(|person| person.upload("?keep=true", bytes.clone()));
        let made = futures_util::future::try_join_all(sends).await?;
        let first = alice.fetch(&made[0]).await?;
        for (person, media) in [&alice, &bob, &carol, &alice].into_iter().zip(&made) {
            ensure!(person.fetch(media).await? == first);
        }
        ensure!(blobs(&server).len() == kept, "{:?}", blobs(&server));
    }
    let metrics = server.metrics().await?;
    ensure!(metrics.sum("tertulia_media_worker_jobs", &["done"]) == 1.0, "the same picture was opened twice");
    nothing_incoming(&server).await
}
