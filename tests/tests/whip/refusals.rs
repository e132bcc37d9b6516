//! Who may not: what is refused, and with which status; and publishers that go with the access that let them in.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_each_refusal_has_its_status() -> anyhow::Result<()> {
    let turn = "[[ice_servers]]\nurls = [\"stun:stun.example.org\"]\n\
        [[ice_servers]]\nurls = [\"turn:turn.example.org\"]\nusername = \"u\"\ncredential = \"a\\\"b\"\n";
    let server = Server::builder().more(turn).set("signaling.standard_peers_per_user_max", 2).start().await?;
    let mut scene = Scene::start(&server).await?;
    let _eve = device(&server, "eve").await?;
    let (alice, eve) = (token("alice"), token("eve"));
    let (_, offer) = Peer::offer(LOOPBACK, &[Line::Mic, Line::Camera])?;
    let (_, plays) = Peer::offer(LOOPBACK, &[Line::Ear])?;
    let room = format!("/v1/whip/{}", scene.group);
    let ask = async |method: &str, path: &str, bearer: &str, headers: &[(&str, &str)], body: &str| {
        http::request_with(server.http(), method, path, bearer, headers, body).await
    };
    let with_accept = |accept| [("content-type", SDP), ("accept", accept)];
    for (status, answer) in [
        (401, post(&server, "whip", &scene.group, "no token", &offer).await?),
        (404, post(&server, "whip", &scene.group, &eve, &offer).await?),
        (404, post(&server, "whep", &scene.call.to_string(), &eve, &plays).await?),
        (404, post(&server, "whip", &"0".repeat(32), &alice, &offer).await?),
        (415, ask("POST", &room, &alice, &[("content-type", "application/json")], &offer).await?),
        (406, ask("POST", &room, &alice, &with_accept("text/html"), &offer).await?),
        (400, post(&server, "whip", &scene.group, &alice, "hello").await?),
        (400, post(&server, "whip", &scene.group, &alice, &plays).await?),
        (400, post(&server, "whep", &scene.group, &alice, &offer).await?),
        (413, post(&server, "whip", &scene.group, &alice, &format!("{offer}{}", "a=x\r\n".repeat(10_000))).await?),
        (413, post(&server, "whip", &scene.group, &alice, &format!("{offer}{}", "a=x\r\n".repeat(20_000))).await?),
        (405, ask("GET", &room, &alice, &[], "").await?),
        (405, ask("DELETE", &room, &alice, &[], "").await?),
    ] {
        ensure!(answer.status == status, "{status}: {answer:?}");
        ensure!(answer.json()?["error"]["code"].is_string(), "{answer:?}");
        ensure!(status != 405 || header(&answer, "allow").is_some_and(|allow| allow.contains("POST")), "{answer:?}");
    }
    // None of them came in.
    sees_nobody_else(&mut scene).await?;
    ensure!(server.metrics().await?.sum("tertulia_call_standard_peers", &[]) == 0.0);
    // What only the forwarding unit sees takes a place for that moment.
    let unusable = offer.replace("a=mid:", "a=dim:");
    ensure!(post(&server, "whip", &scene.group, &alice, &unusable).await?.status == 400);
    ensure!(server.metrics().await?.sum("tertulia_call_standard_peers", &[]) == 0.0);

    // What an endpoint takes is told to everyone, servers to who has a token; as the answer to a POST does.
    let told = http::request(server.http(), "OPTIONS", &room, None, None).await?;
    ensure!(told.status == 204 && header(&told, "accept-post") == Some(SDP), "{told:?}");
    ensure!(header(&told, "link").is_none(), "{told:?}");
    let told = http::request(server.http(), "OPTIONS", &room, Some(&alice), None).await?;
    let posted = post(&server, "whip", &scene.group, &alice, &offer).await?;
    ensure!(posted.status == 201, "{posted:?}");
    for answer in [&told, &posted] {
        let links = [
            "link: <stun:stun.example.org>; rel=\"ice-server\"",
            "link: <turn:turn.example.org>; rel=\"ice-server\"; username=\"u\"; credential=\"a\\\"b\"; credential-type=\"password\"",
        ];
        ensure!(links.iter().all(|link| answer.head.lines().any(|line| line == *link)), "{answer:?}");
    }
    ensure!(http::request(server.http(), "OPTIONS", &room, Some("x"), None).await?.status == 401);

    a_resource_is_its_users(&server, &scene, &posted).await?;
    // One person has so many.
    let location = header(&posted, "location").context("a location")?;
    let second = post(&server, "whip", &scene.group, &alice, &offer).await?;
    ensure!(second.status == 201, "{second:?}");
    let third = post(&server, "whip", &scene.group, &alice, &offer).await?;
    ensure!(third.status == 503 && header(&third, "retry-after").is_some(), "{third:?}");
    ensure!(third.json()?["error"]["limit"] == 2, "{third:?}");
    ensure!(delete(&server, location, &alice).await?.status == 200);
    ensure!(delete(&server, location, &alice).await?.status == 404, "it has gone");
    ensure!(post(&server, "whip", &scene.group, &alice, &offer).await?.status == 201);
    Ok(())
}

/// Nobody has come or gone since.
async fn sees_nobody_else(scene: &mut Scene) -> anyhow::Result<()> {
    let heard = scene.bob.heard_so_far().await?;
    let others = |frame: &ServerFrame| match frame {
        ServerFrame::CallRoster(roster) => roster.participants.len() > 2,
        _ => false,
    };
    ensure!(!heard.iter().any(others), "{heard:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c9_a_publisher_goes_with_the_access_that_let_it_in_and_with_its_group() -> anyhow::Result<()> {
    let carrier = Carrier::open().await?;
    let server = carrier.server().start().await?;
    let (owner, ana) = (Account::new(&server, &carrier, "Bob").await?, Account::new(&server, &carrier, "Ana").await?);
    let studio = ana.link(&server).await?;
    // Groups are of those who take messages.
    let connect = async |of: &Account| {
        Client::connect_for_messages_with(&server, &of.token, &of.user, &of.device, Codec::Json).await
    };
    let (mut bob, _ana) = (connect(&owner).await?, connect(&ana).await?);
    let group = group(&server, &owner.token, &[&ana.user]).await?;
    let fleet = Fleet::start()?;
    let call = start(&mut bob, &group).await?;
    let _media = connect_media(&fleet, &mut bob, call, Line::VOICE).await?;
    let there = Standard::publishes(&server, &fleet, &group, &studio.token).await?;
    let both = [owner.user.as_str(), ana.user.as_str()];
    sees(&mut bob, call, &both).await?;
    // Another device of hers may end it as well; her signing the studio out does end it.
    ensure!(ana.unlink(&server, &studio.device).await?.status == 204);
    sees(&mut bob, call, &both[..1]).await?;
    ensure!(delete(&server, &there.location, &ana.token).await?.status == 404, "it has gone");
    ensure!(delete(&server, &there.location, &studio.token).await?.status == 401);

    let _again = Standard::publishes(&server, &fleet, &group, &ana.token).await?;
    sees(&mut bob, call, &both).await?;
    let member = format!("/v1/groups/{group}/members/{}", ana.user);
    ensure!(server.request("DELETE", &member, Some(&owner.token), None).await?.status == 204);
    sees(&mut bob, call, &both[..1]).await?;
    let (_, offer) = Peer::offer(LOOPBACK, &[Line::Mic])?;
    ensure!(post(&server, "whip", &call.to_string(), &ana.token, &offer).await?.status == 404);
    Ok(())
}

#[tokio::test]
async fn c9_no_device_passes_for_a_standard_peer() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for id in ["whip-1", "whep-1"] {
        ensure!(Client::connect_as(&server, "alice", id, Codec::Json).await.is_err(), "{id}");
    }
    Client::connect_as(&server, "alice", "whip", Codec::Json).await.map(drop)
}

/// To others it is not there, and by another path neither.
async fn a_resource_is_its_users(server: &Server, scene: &Scene, posted: &Answer) -> anyhow::Result<()> {
    let (alice, bob) = (token("alice"), token("bob"));
    let location = header(posted, "location").context("a location")?.to_owned();
    let tag = header(posted, "etag").context("a tag")?.to_owned();
    let wrong = [("content-type", SDP), ("if-match", tag.as_str())];
    let frag = "a=end-of-candidates\r\n";
    let elsewhere = location.replace("/whip/", "/whep/");
    let (call, other_call) = (scene.call.to_string(), CallId::new(Timestamp(1), 1).to_string());
    for (status, answer) in [
        (404, delete(server, &location, &bob).await?),
        (401, delete(server, &location, "x").await?),
        (404, patch(server, &location, &bob, Some("*"), frag).await?),
        (404, delete(server, &elsewhere, &alice).await?),
        (404, delete(server, &location.replace(&call, &other_call), &alice).await?),
        (405, http::request_with(server.http(), "GET", &location, &alice, &[], "").await?),
        (415, http::request_with(server.http(), "PATCH", &location, &alice, &wrong, frag).await?),
        (428, patch(server, &location, &alice, None, frag).await?),
        (412, patch(server, &location, &alice, Some("\"another\""), frag).await?),
        (400, patch(server, &location, &alice, Some(&tag), "hello").await?),
        (204, patch(server, &location, &alice, Some(&tag), frag).await?),
    ] {
        ensure!(answer.status == status, "{status}: {answer:?}");
    }
    Ok(())
}
