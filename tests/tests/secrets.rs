//! No secret in any log, at any level, in either format: a whole life of accounts, calls and files, with all that goes wrong,
//! and then the log is searched for everything that was secret in it.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Digest;
use std::net::{IpAddr, Ipv4Addr};
use tertulia_signaling_proto::{Codec, EndReason, MediaKind, Phase};
use tertulia_tests::accounts::{Account, CARRIER_SECRET, Carrier, phone_number};
use tertulia_tests::media::{Fleet, Line, Member, Peer};
use tertulia_tests::media_files::{film, noise, picture};
use tertulia_tests::token::{Claims, HS_KEY_ID, HS_SECRET, token};
use tertulia_tests::{Client, Person, Server, Socket};

const TURN_SECRET: &str = "between the tests' server and their relay";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What must not be in the log: what it is, and its text.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn keep(&mut self, what: &str, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(secret.len() >= 4, "{what} is too short to be searched for: {secret:?}");
        self.0.push((what.to_owned(), secret));
    }

    fn keep_account(&mut self, account: &Account) {
        self.keep("a device token", &account.token);
        self.keep("a phone number", &account.phone);
        self.keep("a phone number, without its plus", account.phone.trim_start_matches('+'));
        self.keep("a user id", &account.user);
    }

    /// The passwords of an offer or an answer.
    fn keep_sdp(&mut self, sdp: &str) {
        let found: Vec<_> = sdp.lines().filter_map(|line| line.strip_prefix("a=ice-pwd:")).collect();
        assert!(!found.is_empty(), "no password in {sdp}");
        for password in found {
            self.keep("a password of ICE", password);
        }
    }

    /// Where one is.
    fn search(&self, log: &str) -> anyhow::Result<()> {
        for (n, line) in log.lines().enumerate() {
            // The fraction of a second has the look of a PIN.
            let line = without_time(line);
            for (what, secret) in &self.0 {
                ensure!(!contains(line, secret), "{what} ({secret}) in line {}: {line}", n + 1);
            }
        }
        Ok(())
    }
}

fn without_time(line: &str) -> &str {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    if first.ends_with('Z') {
        return rest;
    }
    line.strip_prefix(r#"{"timestamp":""#).and_then(|rest| rest.split_once('"')).map_or(line, |(_, rest)| rest)
}

/// A PIN is searched for as a number by itself, all else wherever it may be.
fn contains(line: &str, secret: &str) -> bool {
    if secret.len() > 8 || !secret.bytes().all(|b| b.is_ascii_digit()) {
        return line.contains(secret);
    }
    let word = |c: char| !c.is_ascii_alphanumeric();
    line.split(word).any(|number| number == secret)
}

#[test]
fn a_secret_is_found_where_it_is_and_a_time_is_none() {
    let mut secrets = Secrets::default();
    secrets.keep("a PIN", "314159");
    secrets.keep("a token", "tdt_abcdef");
    for clean in
        ["2026-11-21T06:00:00.314159Z  INFO ready", r#"{"timestamp":"2026-11-21T06:00:00.314159Z","n":1}"#, "x 1314159"]
    {
        secrets.search(clean).unwrap();
    }
    for dirty in ["PIN 314159 for", r#"{"pin":"314159"}"#, r#"{"timestamp":"…","m":"Bearer tdt_abcdefgh"}"#] {
        secrets.search(dirty).unwrap_err();
    }
}

#[tokio::test]
async fn a3_no_secret_is_in_a_log_for_people() -> anyhow::Result<()> {
    no_secret_is_in_the_log("text").await
}

#[tokio::test]
async fn a3_no_secret_is_in_a_log_for_machines() -> anyhow::Result<()> {
    no_secret_is_in_the_log("json").await
}

async fn no_secret_is_in_the_log(format: &str) -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier
        .server()
        .set("log.level", "trace")
        .set("log.format", format)
        .set("demo", true)
        .more(&format!("[[ice_servers]]\nurls = [\"turn:192.0.2.1:3478\"]\nsecret = \"{TURN_SECRET}\"\nttl_s = 600\n"))
        .start()
        .await?;
    let mut secrets = Secrets::default();
    for (what, secret) in
        [("the carrier's secret", CARRIER_SECRET), ("the relay's secret", TURN_SECRET), ("an API key", HS_SECRET)]
    {
        secrets.keep(what, secret);
    }
    let ana = registration(&server, &carrier, &mut secrets).await?;
    let laptop = linking(&server, &ana, &mut secrets).await?;
    let bob = Account::new(&server, &carrier, "Roberto Segundo").await?;
    secrets.keep("a name", "Roberto Segundo");
    secrets.keep_account(&bob);
    calling(&server, &laptop, &bob, &mut secrets).await?;
    sending(&server, &laptop, &bob, &mut secrets).await?;
    refused(&server, &ana, &mut secrets).await?;
    ensure!(ana.unlink(&server, &laptop.device).await?.status == 204);
    ensure!(ana.delete(&server).await?.status == 204);

    let log = server.log();
    for level in ["DEBUG", "INFO"] {
        ensure!(log.contains(level), "nothing of level {level} is in the log: it is not what this test is to read");
    }
    if format == "json" {
        let bad = log.lines().find(|line| serde_json::from_str::<Value>(line).is_err());
        ensure!(bad.is_none(), "not JSON: {bad:?}");
    }
    secrets.search(&log)
}

/// A number is registered after wrong PINs, and after a carrier that fails.
async fn registration(server: &Server, carrier: &Carrier, secrets: &mut Secrets) -> anyhow::Result<Account> {
    let phone = phone_number();
    secrets.keep("a name", "Ana Primera");
    carrier.fail_with([503, 500]);
    let asked = server.post("/v1/register", None, &json!({"phone": phone}).to_string()).await?;
    ensure!(asked.status == 202, "{asked:?}");
    let registration = asked.json()?["registration_id"].clone();
    let pin = carrier.pin(&phone).await?;
    let verify = |pin: &str| {
        json!({"registration_id": registration, "pin": pin, "device_name": "x", "name": "Ana Primera"}).to_string()
    };
    let wrong = if pin == "271828" { "271829" } else { "271828" };
    secrets.keep("a wrong PIN", wrong);
    let answer = server.post("/v1/register/verify", None, &verify(wrong)).await?;
    ensure!(answer.status == 400, "{answer:?}");
    // A body that is not what it should be is told of, not repeated.
    let bent = json!({"registration_id": registration, "pin": pin, "nonsense": phone}).to_string();
    ensure!(server.post("/v1/register/verify", None, &bent).await?.status == 400);
    let access = server.post("/v1/register/verify", None, &verify(&pin)).await?;
    ensure!(access.status == 201, "{access:?}");
    secrets.keep("a PIN", pin);
    let access = access.json()?;
    let field = |name: &str| access[name].as_str().map(str::to_owned).context("a field");
    let account = Account { user: field("user_id")?, device: field("device_id")?, token: field("token")?, phone };
    secrets.keep_account(&account);
    // A carrier that refuses for good.
    carrier.fail_with([400]);
    let other = phone_number();
    let answer = server.post("/v1/register", None, &json!({"phone": other}).to_string()).await?;
    ensure!(answer.status == 503, "{answer:?}");
    secrets.keep("a number that nobody could reach", other);
    let nonsense = server.post("/v1/register", None, r#"{"phone":"+34 99 nonsense 7654321"}"#).await?;
    ensure!(nonsense.status == 400, "{nonsense:?}");
    secrets.keep("a number that is none", "7654321");
    Ok(account)
}

async fn linking(server: &Server, ana: &Account, secrets: &mut Secrets) -> anyhow::Result<Account> {
    let begun = server.post("/v1/devices/link", None, r#"{"device_name":"laptop"}"#).await?.json()?;
    let field = |name: &str| begun[name].as_str().map(str::to_owned).context("a field");
    let (id, code, secret) = (field("link_id")?, field("code")?, field("secret")?);
    for body in [json!({"code": "ZZZZ-ZZZZ"}), json!({"code": code, "nonsense": secret})] {
        let answer = server.post("/v1/devices/link/inspect", Some(&ana.token), &body.to_string()).await?;
        ensure!(answer.status == 400, "{answer:?}");
    }
    for step in ["inspect", "approve"] {
        let path = format!("/v1/devices/link/{step}");
        ensure!(server.post(&path, Some(&ana.token), &json!({"code": code}).to_string()).await?.status == 200);
    }
    secrets.keep("a link code", code.replace('-', ""));
    secrets.keep("a link code as it is shown", code);
    secrets.keep("a link's secret", &secret);
    let access = server.get(&format!("/v1/devices/link/{id}"), Some(&secret)).await?.json()?;
    let field = |name: &str| access[name].as_str().map(str::to_owned).context("a field");
    let phone = ana.phone.clone();
    let laptop = Account { user: field("user_id")?, device: field("device_id")?, token: field("token")?, phone };
    secrets.keep_account(&laptop);
    Ok(laptop)
}

/// A call with media, an ICE restart in it, a lost socket, and its history.
async fn calling(server: &Server, caller: &Account, callee: &Account, secrets: &mut Secrets) -> anyhow::Result<()> {
    let (mut ana, mut bob) = (caller.connect(server).await?, callee.connect(server).await?);
    for client in [&ana, &bob] {
        secrets.keep("a session's secret", &client.welcome().secret);
        for server in &client.welcome().ice_servers {
            secrets.keep("a relay's password", server.credential.clone().context("a password")?);
        }
    }
    let fleet = Fleet::start()?;
    let call = ana.invite(&callee.user, MediaKind::Video).await?;
    bob.incoming().await?;
    bob.ringing(call).await??;
    let mut members = Vec::new();
    for client in [&mut ana, &mut bob] {
        members.push(connect(&fleet, client, call, secrets).await?);
    }
    bob.accept(call).await??;
    ana.phase(call, Phase::Active).await?;
    let offer = fleet.with(&members[1], Peer::ice_restart).await??;
    secrets.keep_sdp(&offer);
    let (answer, _) = bob.media_connect(call, offer).await?;
    secrets.keep_sdp(&answer);
    fleet.with(&members[1], move |peer| peer.accept_answer(&answer)).await??;
    ensure!(ana.try_media_connect(call, "v=0\r\na=ice-pwd:a password in nonsense\r\n".to_owned()).await?.is_err());
    secrets.keep("a password in an offer that can't be used", "a password in nonsense");
    bob.lose_socket().await;
    ensure!(bob.resume(server).await?);
    secrets.keep("a session's secret after its resume", &bob.welcome().secret);
    ana.hangup(call).await??;
    bob.ended(call, EndReason::Hangup).await?;
    ensure!(server.get("/v1/calls", Some(&callee.token)).await?.status == 200);
    Ok(())
}

async fn connect(
    fleet: &Fleet,
    client: &mut Client,
    call: tertulia_common::CallId,
    secrets: &mut Secrets,
) -> anyhow::Result<Member> {
    let (mut peer, offer) = Peer::offer(LOCALHOST, Line::CALL)?;
    secrets.keep_sdp(&offer);
    let (answer, _) = client.media_connect(call, offer).await?;
    secrets.keep_sdp(&answer);
    peer.accept_answer(&answer)?;
    fleet.add(peer).await
}

/// Files in each way they can come, be refused, be had and be claimed.
async fn sending(server: &Server, ana: &Account, bob: &Account, secrets: &mut Secrets) -> anyhow::Result<()> {
    for name in ["Alcala", "secreto", "reanudado", "formulario", "reclamado", "demasiado"] {
        secrets.keep("a file's name", name);
        secrets.keep("a file's name, as tus has it", STANDARD.encode(name));
    }
    secrets.keep("what is in a file", "las palabras de Ana");
    let (ana, bobs) = (Person::with_token(server, &ana.token), Person::with_token(server, &bob.token));
    let made = ana.upload("?keep=true&file_name=Alcala.avi", film()?).await?;
    let words = format!("las palabras de Ana {}", "x".repeat(5_000));
    ana.upload(&format!("?view_once={}&file_name=secreto.txt", bob.user), words.clone()).await?;
    // Refused while it comes, by a worker, and by what it says of itself.
    let jpeg = picture("jpg", 64, 48)?;
    let (_, sent) = ana.send("?file_name=demasiado.jpg", jpeg[..jpeg.len() / 4].to_vec()).await?;
    if sent["error"].is_null() {
        ana.made(&sent).await?;
    }
    let post = |query: &str| ana.ask(Method::POST, &format!("/v1/media{query}"));
    let wrong = post("?file_name=demasiado.bin").header("x-content-sha256", "0".repeat(64)).body(words.clone());
    ensure!(wrong.send().await?.status() == 422);
    let mut open = ana.begin("POST", "/v1/media?file_name=demasiado", &[("content-length", "90000")]).await?;
    open.write(words.as_bytes()).await?;
    drop(open);
    ensure!(post("?file_name=demasiado&nonsense=1").send().await?.status() == 400);
    let form = format!(
        "--x\r\ncontent-disposition: form-data; name=\"f\"; filename=\"formulario\"\r\n\r\n{words}\r\n--x--\r\n"
    );
    for body in [form.clone(), form[..form.len() / 2].to_owned()] {
        post("").header("content-type", "multipart/form-data; boundary=x").body(body).send().await?;
    }
    let metadata = format!("filename {}", STANDARD.encode("reanudado"));
    let tus = |method: Method, path: &str| ana.ask(method, path).header("tus-resumable", "1.0.0");
    for (length, bent) in [("5000", ""), ("5000", ",as !!"), ("999999999", "")] {
        let begun = tus(Method::POST, "/v1/media/tus").header("upload-length", length);
        let begun = begun.header("upload-metadata", format!("{metadata}{bent}")).send().await?;
        if let Some(place) = begun.headers().get("location") {
            let place = place.to_str()?.to_owned();
            let piece = tus(Method::PATCH, &place).header("content-type", "application/offset+octet-stream");
            ensure!(piece.header("upload-offset", 0).body(noise(1, 5_000)).send().await?.status() == 204);
        }
    }
    // Links: used, changed, in places where they do not belong.
    let (status, link) = ana.with(&made, Method::POST, "/link", json!({})).await?;
    ensure!(status == 201, "{status}: {link}");
    for field in ["path", "thumbnail_path"] {
        let path = link[field].as_str().context("a link")?;
        let (place, signature) = path.split_once("sig=").context("a signature")?;
        secrets.keep("a link's signature", signature);
        for (asked, status) in
            [(path.to_owned(), 200), (format!("{path}0"), 404), (format!("{place}sig=0{signature}"), 404)]
        {
            ensure!(server.get(&asked, None).await?.status == status, "{asked}");
        }
        server.get(&format!("/v1/nowhere?{signature}"), None).await?;
    }
    // Claims: proved, and not.
    for bytes in [film()?, noise(2, 100)] {
        let sha256 = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        secrets.keep("a file's hash", &sha256);
        let (status, begun) =
            bobs.tell(Method::POST, "/v1/media/claims", json!({"sha256": sha256, "size": bytes.len()})).await?;
        ensure!(status == 201, "{status}: {begun}");
        let (id, nonce) = (begun["claim_id"].as_str().context("a claim")?, begun["nonce"].as_str().context("a nonce")?);
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&sha2::Sha256::digest([b"proof", &bytes[..]].concat()))?;
        mac.update(&URL_SAFE_NO_PAD.decode(nonce)?);
        let proof = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        secrets.keep("a claim", id);
        secrets.keep("a claim's nonce", nonce);
        secrets.keep("a claim's proof", &proof);
        bobs.tell(Method::PUT, &format!("/v1/media/claims/{id}"), json!({"proof": proof, "file_name": "reclamado"}))
            .await?;
    }
    Ok(())
}

/// Tokens that are refused, and secrets in places where they do not belong.
async fn refused(server: &Server, ana: &Account, secrets: &mut Secrets) -> anyhow::Result<()> {
    let app = token("un-usuario");
    secrets.keep("an app's user", "un-usuario");
    secrets.keep("an app's token", &app);
    drop(Client::connect_with(server, &app, "un-usuario", "phone", Codec::Msgpack).await?);
    let expired = Claims::of("una-usuaria").expiring_in(-60).sign_hs(HS_KEY_ID, HS_SECRET);
    let guess = format!("tdt_{}", "B".repeat(43));
    secrets.keep("who an expired token was of", "una-usuaria");
    for wrong in [&expired, &guess] {
        secrets.keep("a token that was refused", wrong);
        ensure!(server.get("/v1/calls", Some(wrong)).await?.status == 401);
        let mut socket = Socket::open(server, Codec::Json).await?;
        socket.hello(wrong, "phone", None).await?;
        socket.closed().await?;
    }
    for path in ["/v1/calls?before=TOKEN", "/v1/nowhere/TOKEN", "/v1/ws?token=TOKEN", "/TOKEN", "/v1/devices/TOKEN"] {
        server.get(&path.replace("TOKEN", &ana.token), Some(&guess)).await?;
        server.request("DELETE", &path.replace("TOKEN", &ana.token), Some(&guess), None).await?;
    }
    let mut socket = Socket::open(server, Codec::Json).await?;
    socket.send_text(&format!(r#"{{"type":"hello","token":"{}","caps":7}}"#, ana.token)).await?;
    socket.send_text(&format!("{} and no JSON", ana.token)).await?;
    socket.closed().await?;
    Ok(())
}
