// c6: calls from networks that drop, delay, change and vanish. Alice is far off, behind a road of the test's; Bob is beside
// the server.

import assert from "node:assert/strict";
import { scenario } from "../harness.mjs";
import { ADDRESS, ADDRESS6 } from "../network.mjs";
import { together } from "../together.mjs";
import { iceServers, startTurn } from "../turn.mjs";
import { pause, until } from "../until.mjs";

/** From an interface's end, or a new address, to sound at both ends. What it takes is printed; this bounds it on any machine. */
const MOVED_MAX_MS = 4_000;

const reachable = { address: ADDRESS };

/** Alice far off, Bob near, both signed in. */
async function farAndNear(world, ...interfaces) {
  const { namespace, roads } = await world.network(...interfaces);
  const [alice, bob] = await world.signedIn(["Alice", "left", { namespace }], ["Bob", "right"]);
  return { alice, bob, roads };
}

/** In a video call, each hearing and seeing the other, and watching for gaps. */
async function inCall(alice, bob, kind = "video") {
  await alice.calls(bob, kind);
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  if (kind === "video") await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob)]);
  await Promise.all([bob.hears(alice), alice.hears(bob)]);
  await Promise.all([alice.watches(), bob.watches()]);
}

const callId = (person) => person.page.evaluate(() => window.tertulia.call?.id);

/** How long the sound was gone at the worse of both ends, measured from `since`. */
async function soundIsBack(people, since) {
  const found = await Promise.all(people.map((person) => person.interruption(since)));
  people.forEach(({ name }, i) => console.log(`#   ${name}: ${found[i].gap} ms without a sound, back after ${found[i].back} ms`));
  return Math.max(...found.map(({ back }) => back));
}

/** Does something to the network in a call: the call is the same afterwards, and how long the sound was gone is printed. */
async function survives(what, [alice, bob], change, { within }) {
  const id = await callId(alice);
  await pause(2_500); // a while of quiet flow before
  const since = Date.now();
  await change();
  const back = await soundIsBack([alice, bob], since);
  console.log(`# ${what}: sound is back after ${back} ms`);
  assert.deepEqual(await Promise.all([alice, bob].map(callId)), [id, id], "another call");
  assert.ok(back <= within, `${what}: ${back} ms`);
  await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob), bob.hears(alice), alice.hears(bob)]);
}

const frames = (person) => person.page.evaluate(() => document.querySelectorAll("iframe").length);

/** What the media of someone goes over: [protocol, type of the own candidate], as ICE has settled. */
function path(person) {
  return person.page.evaluate(async () => {
    const reports = await window.tertulia.call.pc.getStats();
    const [transport] = [...reports.values()].filter(({ type }) => type === "transport");
    const pair = reports.get(transport.selectedCandidatePairId);
    const local = reports.get(pair?.localCandidateId);
    return [local?.relayProtocol ?? local?.protocol, local?.candidateType];
  });
}

scenario(
  "c6_with_udp_dropped_the_call_goes_over_tcp",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await roads[0].is({ drop: [{ proto: "udp" }] });
    await inCall(alice, bob);
    const [protocol] = await path(alice);
    assert.equal(protocol, "tcp");
    await together(bob, alice, "over TCP");
  },
  reachable,
);

scenario(
  "c6_with_udp_and_tcp_to_us_dropped_the_call_goes_through_coturn",
  async (world) => {
    const turn = await startTurn();
    world.owns(turn.stop);
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    const { mediaPorts } = await world.server();
    const drop = [{ proto: "udp" }, ...mediaPorts.map((port) => ({ proto: "tcp", ip: ADDRESS, port }))];
    await roads[0].is({ drop });
    await inCall(alice, bob);
    assert.deepEqual(await path(alice), ["tcp", "relay"]);
  },
  { ...reachable, more: iceServers },
);

scenario(
  "c6_udp_that_stops_mid_call_goes_on_over_tcp",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await inCall(alice, bob);
    await survives("UDP is dropped", [alice, bob], () => roads[0].is({ drop: [{ proto: "udp" }] }), { within: 2 * MOVED_MAX_MS });
    assert.equal((await path(alice))[0], "tcp");
  },
  reachable,
);

scenario(
  "c6_five_percent_loss_and_delay_keep_lips_and_voice_together",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await roads[0].is({ loss: 0.05, delay_ms: 40, jitter_ms: 15 });
    await inCall(alice, bob);
    await Promise.all([together(bob, alice, "5 % loss, to Bob"), together(alice, bob, "5 % loss, to Alice")]);
    await Promise.all([bob.framesAdvance(), alice.framesAdvance()]);
  },
  reachable,
);

scenario(
  "c6_a_slow_line_carries_the_call",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await inCall(alice, bob);
    await roads[0].is({ rate_bps: 600_000, delay_ms: 30 });
    await pause(5_000); // the estimate comes down
    const since = Date.now();
    const { gap } = await bob.interruption(since);
    console.log(`# 600 kbit/s: longest gap in the voice ${gap} ms`);
    assert.ok(gap <= 1_000, `${gap} ms without a sound`);
    await Promise.all([bob.seesCameraOf(alice), alice.seesCameraOf(bob)]);
  },
  reachable,
);

scenario(
  "c6_an_interface_that_goes_away_mid_call_is_replaced_by_another",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0", "wwan0");
    await inCall(alice, bob);
    await survives("the interface is gone", [alice, bob], () => roads[0].remove(), { within: MOVED_MAX_MS });
    await together(bob, alice, "after the interface went");
  },
  reachable,
);

scenario(
  "c6_an_interface_that_falls_silent_is_replaced_by_another",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0", "wwan0");
    await inCall(alice, bob);
    // The way to the server's signalling is gone too: nobody can be asked.
    const deaf = () => roads[0].is({ closed: true });
    await survives("the interface is deaf", [alice, bob], deaf, { within: MOVED_MAX_MS });
  },
  reachable,
);

scenario(
  "c6_a_new_address_mid_call_is_followed",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await inCall(alice, bob);
    const [near] = roads[0].addresses.near;
    const other = near.replace(/\.1\/24$/, ".77/24");
    await survives("another address", [alice, bob], () => roads[0].readdress([other]), { within: MOVED_MAX_MS });
    await together(bob, alice, "from another address");
    await survives("and back", [alice, bob], () => roads[0].readdress(roads[0].addresses.far), { within: MOVED_MAX_MS });
    assert.ok((await frames(alice)) <= 1, "only that of the connection that knew the address at once");
    await bob.hangsUp();
    await alice.isFree();
    assert.equal(await frames(alice), 0);
  },
  reachable,
);

scenario(
  "c6_a_nat_that_forgets_its_mapping_is_followed",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await roads[0].is({ nat_shift: -20_000 });
    await inCall(alice, bob);
    await survives("the NAT was started anew", [alice, bob], () => roads[0].is({ nat_shift: -10_000 }), { within: MOVED_MAX_MS });
  },
  reachable,
);

scenario(
  "c6_a_server_out_of_reach_for_five_seconds_keeps_the_call",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await inCall(alice, bob);
    const outage = async () => {
      await roads[0].is({ closed: true });
      await pause(5_000);
      await roads[0].is();
    };
    await survives("five seconds without a network", [alice, bob], outage, { within: 10_000 });
    await alice.isOnline();
  },
  reachable,
);

scenario(
  "c6_a_lost_signalling_connection_does_not_touch_the_media",
  async (world) => {
    const { alice, bob, roads } = await farAndNear(world, "wlan0");
    await inCall(alice, bob);
    const since = Date.now();
    const { port } = new URL((await world.server()).url);
    await roads[0].is({ drop: [{ proto: "tcp", port: Number(port) }] });
    // The server finds the dead socket, or the client does; the media goes on meanwhile.
    await pause(8_000);
    const { gap } = await bob.interruption(since, { settle: 8_000 });
    assert.ok(gap < 500, `the voice was gone for ${gap} ms`);
    await roads[0].is();
    await alice.isOnline();
    await bob.hangsUp();
    await Promise.all([alice.isFree(), bob.isFree()]);
  },
  reachable,
);

scenario(
  "c6_a_page_suspended_for_five_seconds_goes_on_with_its_call",
  async (world) => {
    const { alice, bob } = await farAndNear(world, "wlan0");
    await inCall(alice, bob);
    await survives("suspended for five seconds", [alice, bob], () => suspended(world, alice, 5_000), { within: 10_000 });
  },
  reachable,
);

scenario(
  "c6_a_page_suspended_for_too_long_is_told_a_clear_end",
  async (world) => {
    const { alice, bob } = await farAndNear(world, "wlan0");
    await inCall(alice, bob, "voice");
    await suspended(world, alice, async () => {
      await bob.isTold(/lost/i);
      await bob.isFree();
      const server = await world.server();
      await until("the server has forgotten the session", async () => (await server.metric("tertulia_signaling_sessions")) <= 1);
    });
    await alice.isFree();
    await alice.isOnline();
    await alice.calls(bob, "voice");
    await bob.accepts();
    await Promise.all([alice.isInCall(), bob.isInCall()]);
  },
  { ...reachable, own: true, calls: "grace_ms = 4000", more: "[signaling]\nresume_window_s = 5\nheartbeat_s = 2" },
);

scenario(
  "c6_a_network_that_knows_ipv6_only_is_enough",
  async (world) => {
    const { namespace, roads } = await world.network("wlan0");
    roads[0].readdress([roads[0].addresses.far[1]]);
    const [alice, bob] = await world.signedIn(["Alice", "left", { namespace }], ["Bob", "right"]);
    await inCall(alice, bob);
    await together(bob, alice, "over IPv6");
  },
  { address: ADDRESS6 },
);

/** Stops every process of someone's browser, for a time or until something is done, and lets it go on. */
async function suspended(world, person, meanwhile) {
  const group = -person.browser.process().pid;
  const goOn = () => process.kill(group, "SIGCONT");
  let stopped = true;
  world.owns(() => stopped && goOn());
  process.kill(group, "SIGSTOP");
  try {
    await (typeof meanwhile === "number" ? pause(meanwhile) : meanwhile());
  } finally {
    goOn();
    stopped = false;
  }
}
