//! The doors: every HTTP call and every frame, tried by everyone who may not. The lists come from the generated reference:
//! what is added there without an entry here fails.

mod frames;
mod http;
mod media;

use anyhow::ensure;
use tertulia_signaling_proto::ErrorCode;
use tertulia_tests::Server;
use tertulia_tests::accounts::{Account, Carrier};
use tertulia_tests::token::{Claims, HS_KEY_ID, HS_SECRET, token};

/// The repository's documents.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

/// Someone who may not come in, and what they hear.
struct Stranger {
    name: &'static str,
    token: Option<String>,
    code: ErrorCode,
}

/// Everyone whose token is none, or is none any more.
async fn strangers(server: &Server, carrier: &Carrier) -> anyhow::Result<Vec<Stranger>> {
    let owner = Account::new(server, carrier, "Owner").await?;
    let unlinked = owner.link(server).await?;
    ensure!(owner.unlink(server, &unlinked.device).await?.status == 204);
    let replaced = owner;
    let owner = Account::register(server, carrier, &replaced.phone, "Owner").await?;
    ensure!(owner.user == replaced.user, "the same number is the same person");
    let gone = Account::new(server, carrier, "Gone").await?;
    let linked_to_gone = gone.link(server).await?;
    ensure!(gone.delete(server).await?.status == 204);
    // A user of an app's own may leave, too: what was minted for them before does not count any more.
    let left = Claims::of("left").sign_hs(HS_KEY_ID, HS_SECRET);
    ensure!(server.request("DELETE", "/v1/account", Some(&left), None).await?.status == 204);
    let guess = format!("tdt_{}", "A".repeat(43));
    let expired = Claims::of("alice").expiring_in(-60).sign_hs(HS_KEY_ID, HS_SECRET);
    let good = token("alice");
    let invalid = ErrorCode::TokenInvalid;
    let all = [
        ("nobody", None, invalid),
        ("an empty token", Some(String::new()), invalid),
        ("garbage", Some("let me in".to_owned()), invalid),
        ("a guessed device token", Some(guess), invalid),
        ("a device token with a byte more", Some(format!("{}A", owner.token)), invalid),
        ("a changed signature", Some(format!("{}AAAA", &good[..good.len() - 4])), invalid),
        ("an expired token", Some(expired), ErrorCode::TokenExpired),
        ("an unlinked device", Some(unlinked.token), invalid),
        ("the primary device before this one", Some(replaced.token), invalid),
        ("a deleted account", Some(gone.token), invalid),
        ("a linked device of a deleted account", Some(linked_to_gone.token), invalid),
        ("an app's user who has left", Some(left), invalid),
    ];
    Ok(all.into_iter().map(|(name, token, code)| Stranger { name, token, code }).collect())
}
