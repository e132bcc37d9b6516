//! The WebSocket interface of Janus, as much of it as a VideoRoom needs.

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tertulia_tests::wait::{PATIENCE, in_time};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// How often is asked whether the publishers are there.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A session with a room of its own.
pub(crate) struct Janus {
    ws: WebSocketStream<TcpStream>,
    session: u64,
    transactions: u64,
    room: u64,
    feeds: Vec<u64>,
    /// Whether all of them are known to be up.
    is_up: bool,
}

impl Janus {
    pub(crate) async fn connect(address: &str) -> anyhow::Result<Self> {
        Self::connect_to(address, 0).await
    }

    /// The same, for one of several rooms.
    pub(crate) async fn connect_to(address: &str, room: u64) -> anyhow::Result<Self> {
        let mut request = format!("ws://{address}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("janus-protocol"));
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (ws, _) = tokio_tungstenite::client_async(request, tcp).await?;
        let room = u64::from(std::process::id()) << 16 | room;
        let mut janus = Self { ws, session: 0, transactions: 0, room, feeds: Vec::new(), is_up: false };
        janus.session = number(&janus.ask(json!({"janus": "create"})).await?, "/data/id")?;
        Ok(janus)
    }

    /// Publishes with this offer; the first makes the room. Gives the answer.
    pub(crate) async fn publish(
        &mut self,
        index: usize,
        offer: &str,
        (audio, video): (bool, bool),
    ) -> anyhow::Result<String> {
        let handle = self.attach().await?;
        if index == 0 {
            let create = json!({
                "request": "create", "room": self.room, "publishers": 200, "bitrate": 4_000_000,
                "videocodec": "vp8", "audiocodec": "opus", "notify_joining": false,
            });
            self.message(handle, create, None).await?;
        }
        let join = json!({"request": "join", "ptype": "publisher", "room": self.room, "display": format!("p{index}")});
        let joined = self.message(handle, join, None).await?;
        self.feeds.push(number(&joined, "/plugindata/data/id")?);
        self.is_up = false;
        let publish = json!({"request": "publish", "audio": audio, "video": video});
        let jsep = json!({"type": "offer", "sdp": offer, "trickle": false});
        sdp(&self.message(handle, publish, Some(jsep)).await?)
    }

    /// Asks for every feed; gives the handle and Janus' offer.
    pub(crate) async fn subscribe(&mut self) -> anyhow::Result<(u64, String)> {
        self.subscribe_to(&(0..self.feeds.len()).collect::<Vec<_>>()).await
    }

    /// Asks for these of the feeds, in the order of their publishing.
    pub(crate) async fn subscribe_to(&mut self, feeds: &[usize]) -> anyhow::Result<(u64, String)> {
        let handle = self.attach().await?;
        self.published(handle).await?;
        let feeds = feeds.iter().filter_map(|feed| self.feeds.get(*feed));
        let streams: Vec<Value> = feeds.map(|feed| json!({"feed": feed})).collect();
        let join = json!({"request": "join", "ptype": "subscriber", "room": self.room, "streams": streams});
        Ok((handle, sdp(&self.message(handle, join, None).await?)?))
    }

    /// Takes the answer of a subscriber.
    pub(crate) async fn start(&mut self, handle: u64, answer: &str) -> anyhow::Result<()> {
        let jsep = json!({"type": "answer", "sdp": answer, "trickle": false});
        self.message(handle, json!({"request": "start", "room": self.room}), Some(jsep)).await?;
        Ok(())
    }

    /// Takes every picture in this of its sizes, the smallest is zero.
    pub(crate) async fn take_size(&mut self, handle: u64, size: usize) -> anyhow::Result<()> {
        let configure = json!({"request": "configure", "substream": size});
        self.message(handle, configure, None).await.map(drop)
    }

    /// Waits until every feed is listed as published: until its media is up, Janus says that there is no such feed.
    async fn published(&mut self, handle: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.is_up {
            ensure!(start.elapsed() < PATIENCE, "the publishers are not up");
            let list = self.message(handle, json!({"request": "listparticipants", "room": self.room}), None).await?;
            let people = list.pointer("/plugindata/data/participants").and_then(Value::as_array);
            let is_up = |feed: &u64| {
                let is_it = |one: &Value| one["id"].as_u64() == Some(*feed) && one["publisher"] == true;
                people.is_some_and(|people| people.iter().any(is_it))
            };
            self.is_up = self.feeds.iter().all(is_up);
            if !self.is_up {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
        Ok(())
    }

    async fn attach(&mut self) -> anyhow::Result<u64> {
        let answer = self.ask(json!({"janus": "attach", "plugin": "janus.plugin.videoroom"})).await?;
        number(&answer, "/data/id")
    }

    async fn message(&mut self, handle: u64, body: Value, jsep: Option<Value>) -> anyhow::Result<Value> {
        let mut ask = json!({"janus": "message", "handle_id": handle, "body": body});
        if let Some(jsep) = jsep {
            ask["jsep"] = jsep;
        }
        let answer = self.ask(ask).await?;
        ensure!(answer.pointer("/plugindata/data/error").is_none(), "{answer}");
        Ok(answer)
    }

    async fn ask(&mut self, mut ask: Value) -> anyhow::Result<Value> {
        self.transactions += 1;
        let transaction = json!(self.transactions.to_string());
        ask["transaction"] = transaction.clone();
        if self.session != 0 {
            ask["session_id"] = json!(self.session);
        }
        self.ws.send(Message::text(ask.to_string())).await?;
        loop {
            let message = in_time("an answer of Janus", self.ws.next()).await?.context("Janus has gone")??;
            let Message::Text(text) = message else { continue };
            let answer: Value = serde_json::from_str(&text)?;
            if answer["transaction"] != transaction {
                continue;
            }
            match answer["janus"].as_str() {
                Some("success" | "event") => return Ok(answer),
                // The plugin's answer comes later, as an event of the same transaction.
                Some("ack") => {}
                _ => bail!("{answer}"),
            }
        }
    }
}

fn number(answer: &Value, pointer: &str) -> anyhow::Result<u64> {
    answer.pointer(pointer).and_then(Value::as_u64).with_context(|| format!("no {pointer} in {answer}"))
}

fn sdp(answer: &Value) -> anyhow::Result<String> {
    let sdp = answer.pointer("/jsep/sdp").and_then(Value::as_str);
    Ok(sdp.with_context(|| format!("no sdp in {answer}"))?.to_owned())
}
