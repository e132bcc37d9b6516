import assert from "node:assert/strict";
import { test } from "node:test";
import { fit, makeWhole, cameraEncodings, screenEncodings, takesSimulcast } from "../src/encodings.js";
import type { Call } from "../src/index.js";
import type { CallSnapshot, GroupCall, Participant, PublishWanted, RosterEntry, Slot, Source, Welcome } from "../src/proto.js";
import { FakePeerConnection, opened, until, welcome, type FakeSocket } from "./fakes.js";
import { answer, answerError, bob, CALL, ends, inCall, online, OTHER, setUp, SLOTS } from "./stage.js";

setUp();

const GROUP = { group_id: "g1", name: "Sunday rice" };
const ana = { user_id: "ana", name: "Ana" };
/** An answer that takes the camera in several sizes. */
const SIMULCAST = "v=0\r\nm=audio 9\r\na=mid:0\r\nm=video 9\r\na=mid:1\r\na=rid:q recv\r\na=simulcast:recv q;h;f\r\nm=video 9\r\na=mid:2\r\n";

function member(user_id: string, changes: Partial<RosterEntry> = {}): RosterEntry {
  return { user_id, device_id: `${user_id}-1`, name: user_id, mic: true, camera: true, screen: false, ...changes };
}

let version = 0;
function roster(socket: FakeSocket, participants: RosterEntry[], more = {}): void {
  socket.receive({ type: "call.roster", call_id: CALL, version: ++version, participants, conference: true, ...more });
}

function slot(mid: number, user?: string, source: Source = "camera"): Slot {
  return user ? { mid: String(mid), participant: who(user), source } : { mid: String(mid) };
}

const who = (user_id: string): Participant => ({ user_id, device_id: `${user_id}-1` });
const EMPTY = Array.from({ length: 12 }, (_, n) => slot(3 + n));

function slots(socket: FakeSocket, ...carried: Slot[]): void {
  const all = EMPTY.map((empty) => carried.find(({ mid }) => mid === empty.mid) ?? empty);
  socket.receive({ type: "call.slots", call_id: CALL, slots: all });
}

/** The call of a group that this device has started, with Bob and Carol in it. */
async function inConference(sdp = "answer", welcomed: Partial<Welcome> = {}) {
  const { client, socket, server, incoming } = await online({}, [], welcomed);
  const call = client.startGroupCall("g1", { video: true, name: GROUP.name });
  await answer(socket, "call.invite", { call_id: CALL });
  await answer(socket, "call.connect", { sdp, slots: EMPTY });
  roster(socket, [member("ana"), member("bob"), member("carol")]);
  const pc = FakePeerConnection.all.at(-1)!;
  await until(() => pc.remoteDescription !== null && pc.transceivers[1]?.track !== null);
  socket.receive({ type: "call.state", call_id: CALL, phase: "active", answered_at: Date.now() });
  pc.become("connected");
  return { client, socket, server, incoming, call, pc, conference: call.conference! };
}

const shown = (call: Call) =>
  call.conference!.others.map(({ entry, streams }) => {
    const has = (stream: MediaStream) => (stream.getTracks().length > 0 ? 1 : 0);
    return `${entry.user_id} ${has(streams.audio)}${has(streams.camera)}${has(streams.screen)}`;
  });

const sentViews = (socket: FakeSocket) => socket.of("call.view").map(({ wants }) => wants.map((want) => want.user_id).join());
const want = (user: string, max_height = 360) => ({ ...who(user), source: "camera" as const, max_height });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("c3_the_call_of_a_group_is_asked_for_by_its_group_and_offers_three_voices_and_nine_pictures", async () => {
  const { socket, call, pc } = await inConference();
  assert.deepEqual(socket.of("call.invite")[0]?.to, { group: "g1" });
  const lines = pc.transceivers.map((line) => `${line.kind} ${line.direction}`);
  assert.deepEqual(lines.slice(0, 3), ["audio sendonly", "video sendonly", "video sendonly"]);
  assert.deepEqual(lines.slice(3), [...Array(3).fill("audio recvonly"), ...Array(9).fill("video recvonly")]);
  assert.equal(call.group?.name, "Sunday rice");
  assert.deepEqual(call.conference!.members.map(({ me }) => me), [true, false, false]);
  assert.equal(call.other, undefined);
});

test("c3_slots_say_whose_voice_and_picture_a_line_carries", async () => {
  const { socket, call, conference } = await inConference();
  slots(socket, slot(3, "bob", "mic"), slot(6, "carol"), slot(7, "bob", "screen"));
  assert.deepEqual(shown(call), ["bob 101", "carol 010"]);
  assert.deepEqual(conference.lines.map(({ member }) => member?.entry.user_id), ["bob", undefined, undefined]);
  const bobs = conference.others[0]!;
  slots(socket, slot(3, "carol", "mic"), slot(6, "bob"));
  assert.deepEqual(shown(call), ["bob 010", "carol 100"]);
  assert.ok(conference.others[0] === bobs);
  assert.ok(conference.lines[0]!.stream === call.remote.audio);
});

test("c3_slots_that_name_somebody_before_the_roster_does_are_not_lost", async () => {
  const { socket, call } = await inConference();
  slots(socket, slot(6, "dan"));
  roster(socket, [member("ana"), member("dan")]);
  assert.deepEqual(shown(call), ["dan 010"]);
});

test("c3_who_leaves_is_gone_and_who_comes_late_is_there", async () => {
  const { socket, conference } = await inConference();
  slots(socket, slot(6, "bob"));
  const [bobs] = conference.others;
  roster(socket, [member("ana"), member("carol"), member("dan")], { ringing: [{ user_id: "eve", name: "Eve" }], hosts: ["ana"] });
  assert.deepEqual(conference.others.map(({ entry }) => entry.user_id), ["carol", "dan"]);
  assert.deepEqual(bobs!.streams.camera.getTracks(), []);
  assert.deepEqual(conference.ringing.map(({ name }) => name), ["Eve"]);
  assert.equal(conference.isHost("ana"), true);
  assert.equal(conference.isHost("carol"), false);
});

test("c3_only_hosts_add_people_to_the_call_of_a_link_that_asks_for_approval", async () => {
  const { socket, conference } = await inConference();
  const may = () => ["ana", "bob"].map((who) => conference.mayAdd(who));
  assert.deepEqual(may(), [true, true]);
  roster(socket, [member("ana"), member("bob")], { hosts: ["bob"], approval: true });
  assert.deepEqual(may(), [false, true]);
  // Changes do not say it again.
  socket.receive({ type: "call.roster_changes", call_id: CALL, since: version, version: ++version, changed: [], hosts: ["ana"] });
  assert.deepEqual(may(), [true, false]);
});

test("c4_changes_of_a_roster_are_made_to_it_and_not_to_an_older_one", async () => {
  const { socket, conference } = await inConference();
  const names = () => conference.others.map(({ entry }) => `${entry.user_id}${entry.camera ? "" : " dark"}`);
  const change = (since: number, next: number, changed: RosterEntry[], gone: Participant[] = []) =>
    socket.receive({ type: "call.roster_changes", call_id: CALL, since, version: next, changed, gone, hosts: ["ana"] });
  const [bobs] = conference.others;
  change(version, version + 2, [member("dan"), member("bob", { camera: false })], [who("carol")]);
  assert.deepEqual(names(), ["bob dark", "dan"]);
  assert.ok(conference.others[0] === bobs, "the same one");
  assert.equal(conference.isHost("ana"), true);
  change(version, version + 1, [member("eve")]);
  assert.deepEqual(names(), ["bob dark", "dan"], "it has come already");
  change(version + 5, version + 6, [member("eve")]);
  assert.deepEqual(names(), ["bob dark", "dan"], "of one that is not here");
  change(version + 1, version + 6, [member("dan"), member("fay")]);
  assert.deepEqual(names(), ["bob dark", "dan", "fay"], "since an older one than is here");
  version += 6;
  roster(socket, [member("ana"), member("bob")]);
  assert.deepEqual(names(), ["bob"]);
});

test("c3_a_call_of_two_grows_by_one_more_offer_with_more_lines_and_its_voice_flows_on", async () => {
  const { socket, call, pc } = await inCall();
  const voice = call.remote.audio.getTracks()[0];
  const grown: unknown[] = [];
  call.on("conference", (conference) => grown.push(conference));
  const adding = call.add(["carol"]);
  await answer(socket, "call.add");
  await adding;
  version = 10;
  roster(socket, [member("ana"), member("bob")], { ringing: [{ user_id: "carol", name: "Carol" }] });
  assert.ok(grown.length === 1 && grown[0] === call.conference);
  assert.ok(call.remote.audio.getTracks()[0] === voice);
  await answer(socket, "call.connect", { sdp: "more", slots: [...SLOTS, ...EMPTY.slice(3)] });
  await until(() => pc.remoteDescription?.sdp === "more");
  assert.ok((call.pc as unknown) === pc);
  assert.deepEqual(pc.offers.map(({ iceRestart }) => iceRestart), [false, false]);
  const kinds = pc.transceivers.slice(3).map(({ kind }) => kind);
  assert.deepEqual(kinds.slice(0, 3), ["audio", "video", "video"]);
  assert.equal(kinds.filter((kind) => kind === "audio").length, 3);
  assert.equal(kinds.filter((kind) => kind === "video").length, 9);
  assert.deepEqual(shown(call), ["bob 110"]);
  assert.ok(call.remote.audio.getTracks()[0] === voice);
});

test("c3_a_call_of_two_that_grows_while_its_first_offer_is_on_the_way_offers_again_after_it", async () => {
  const { client, socket } = await online();
  client.call("bob");
  await answer(socket, "call.invite", { call_id: CALL });
  await until(() => socket.of("call.connect").length === 1);
  version = 20;
  roster(socket, [member("ana"), member("bob")]);
  await answer(socket, "call.connect", { sdp: "answer", slots: [...SLOTS] });
  await answer(socket, "call.connect", { sdp: "more", slots: [...SLOTS] });
  assert.equal(FakePeerConnection.all.length, 1);
});

test("c3_lines_that_were_refused_are_offered_again", async () => {
  const { socket, call, pc } = await inCall();
  version = 30;
  roster(socket, [member("ana"), member("bob")]);
  await answerError(socket, "call.connect", "rate_limited");
  await answer(socket, "call.connect", { sdp: "more", slots: [...SLOTS] });
  await until(() => pc.remoteDescription?.sdp === "more");
  assert.equal(call.ended, undefined);
});

test("c3_leaving_leaves_the_call_to_the_others", async () => {
  const { socket, call } = await inConference();
  const reasons = ends(call);
  call.hangup();
  assert.deepEqual(socket.of("call.leave").map(({ call_id }) => call_id), [CALL]);
  assert.equal(socket.of("call.hangup").length + socket.of("call.cancel").length, 0);
  assert.deepEqual(reasons, ["hangup"]);
  assert.ok(opened.every((track) => track.stopped));
});

test("c3_a_group_call_that_rings_names_its_group_and_connects_when_it_is_accepted", async () => {
  const { socket, incoming } = await online();
  const frame = { type: "call.incoming", call_id: CALL, from: bob, media: "video", expires_at: Date.now() + 60_000 } as const;
  socket.receive({ ...frame, conference: true, group: GROUP });
  const call = incoming[0]!;
  assert.equal(call.group?.name, "Sunday rice");
  await answer(socket, "call.ringing");
  await pause(20);
  assert.equal(socket.of("call.connect").length, 0);
  void call.accept();
  await answer(socket, "call.accept");
  await answer(socket, "call.connect", { sdp: "answer", slots: EMPTY });
  await until(() => FakePeerConnection.all[0]!.remoteDescription !== null);
  assert.equal(FakePeerConnection.all[0]!.transceivers.length, 15);
});

test("c3_to_call_a_group_whose_call_rings_here_is_to_go_in", async () => {
  const { client, socket, incoming } = await online();
  const frame = { type: "call.incoming", call_id: CALL, from: bob, media: "video", expires_at: Date.now() + 60_000 } as const;
  socket.receive({ ...frame, conference: true, group: GROUP });
  const reasons = ends(incoming[0]!);
  const call = client.startGroupCall("g1");
  await answer(socket, "call.invite", { call_id: CALL });
  await answer(socket, "call.connect", { sdp: "answer", slots: EMPTY });
  assert.deepEqual(reasons, ["merged"]);
  assert.ok(client.calls.length === 1 && client.calls[0] === call);
});

const going: GroupCall = { ...GROUP, call_id: CALL, media: "video", started_by: bob, started_at: 5, participants: 2 };

test("c3_calls_of_groups_that_go_on_are_told_and_one_is_joined_late", async () => {
  const { client, socket } = await online({}, [], { group_calls: [going] });
  assert.deepEqual(client.groupCalls, [going]);
  const told: number[] = [];
  client.on("groupCalls", (calls) => told.push(calls.length));
  socket.receive({ type: "call.group", group_id: "g1", call: { ...going, participants: 3 } });
  assert.deepEqual(client.groupCalls.map(({ participants }) => participants), [3]);
  const peeking = client.peek(CALL);
  await answer(socket, "call.peek", { peek: { call_id: CALL, media: "video", started_at: 5, participants: [bob] } });
  assert.deepEqual((await peeking).participants, [bob]);
  const call = client.joinGroupCall(going, { video: false });
  await answer(socket, "call.join");
  await answer(socket, "call.connect", { sdp: "answer", slots: EMPTY });
  version += 1;
  roster(socket, [member("bob"), member("ana")]);
  assert.deepEqual(shown(call), ["bob 000"]);
  socket.receive({ type: "call.group", group_id: "g1" });
  assert.deepEqual(client.groupCalls, []);
  assert.deepEqual(told, [1, 0]);
});

test("c3_a_call_that_is_full_says_so", async () => {
  const { client, socket } = await online({}, [], { group_calls: [going] });
  const call = client.joinGroupCall(going);
  await answerError(socket, "call.join", "call_full");
  await until(() => call.ended !== undefined);
  assert.equal(call.ended?.error?.code, "call_full");
});

test("c3_after_a_reload_a_group_call_is_gone_back_into_as_one", async () => {
  const snapshot: CallSnapshot = {
    call_id: CALL, peer: ana, outgoing: true, media: "voice", phase: "active", conference: true, group: GROUP,
  };
  const { client, socket, running } = await online({}, [snapshot]);
  assert.deepEqual(running, [snapshot]);
  const call = client.rejoin(snapshot);
  await answer(socket, "call.connect", { sdp: "answer", slots: EMPTY });
  assert.equal(FakePeerConnection.all[0]!.transceivers.length, 15);
  assert.equal(call.group?.name, "Sunday rice");
  const other = { ...snapshot, call_id: OTHER };
  const leaving = client.leave(other);
  await answer(socket, "call.leave");
  await leaving;
  assert.deepEqual(socket.of("call.leave").map(({ call_id }) => call_id), [OTHER]);
});

test("c3_what_is_shown_is_told_once_and_no_more_than_some_times_a_second", async () => {
  const { socket, conference } = await inConference();
  conference.view([want("bob")]);
  conference.view([want("bob")]);
  conference.view([want("bob"), want("carol")]);
  conference.view([want("carol"), want("bob")]);
  assert.deepEqual(sentViews(socket), ["bob"]);
  await pause(100);
  assert.deepEqual(sentViews(socket), ["bob"]);
  await until(() => sentViews(socket).length === 2);
  assert.deepEqual(sentViews(socket), ["bob", "carol,bob"]);
  await pause(300);
  conference.view([want("carol"), want("bob")]);
  await pause(300);
  assert.equal(sentViews(socket).length, 2);
});

test("c3_who_looks_at_more_than_nine_has_lines_added_for_them", async () => {
  const { socket, pc, conference } = await inConference();
  conference.view(Array.from({ length: 12 }, (_, n) => want(`u${n}`)));
  assert.equal(socket.of("call.view").at(-1)?.wants.length, 9);
  const more = [...EMPTY, ...Array.from({ length: 7 }, (_, n) => slot(15 + n))];
  await answer(socket, "call.connect", { sdp: "more", slots: more });
  await until(() => socket.of("call.view").at(-1)?.wants.length === 12);
  assert.equal(pc.transceivers.length, 22);
  conference.view([want("bob")]);
  await until(() => socket.of("call.view").at(-1)?.wants.length === 1);
  assert.equal(pc.offers.length, 2);
});

test("c3_a_new_session_is_told_anew_what_is_shown", async () => {
  const { socket, server, conference } = await inConference();
  conference.view([want("bob")]);
  await answer(socket, "call.view");
  socket.break();
  const again = await server.socket(1);
  again.receive(welcome({ calls: [{ call_id: CALL, peer: ana, outgoing: true, media: "video", phase: "active", conference: true, group: GROUP }] }));
  await until(() => again.of("call.view").length === 1);
  assert.deepEqual(sentViews(again), ["bob"]);
});

test("c4_speakers_hands_and_reactions_are_told_with_who_it_is", async () => {
  const { socket, conference } = await inConference();
  const told: string[] = [];
  conference.on("speakers", (members) => told.push(members.map(({ entry }) => entry.user_id).join()));
  conference.on("reaction", ({ from, reaction }) => told.push(`${from?.entry.user_id} ${reaction}`));
  socket.receive({ type: "call.speakers", call_id: CALL, speakers: [who("carol"), who("bob")] });
  socket.receive({ type: "call.reaction", call_id: CALL, from: who("bob"), reaction: "👏" });
  roster(socket, [member("ana"), member("carol", { hand_at: 7 })]);
  assert.deepEqual(told, ["carol,bob", "bob 👏"]);
  assert.deepEqual(conference.speakers.map(({ entry }) => entry.user_id), ["carol"]);
  assert.equal(conference.others[0]!.entry.hand_at, 7);
  const asked = [conference.raiseHand(true), conference.react("🎉"), conference.remove("carol")];
  for (const type of ["call.hand", "call.react", "call.remove"]) await answer(socket, type);
  await Promise.all(asked);
  assert.deepEqual(socket.of("call.hand").map(({ call_id, raised }) => [call_id, raised]), [[CALL, true]]);
  assert.deepEqual(socket.of("call.react").map(({ reaction }) => reaction), ["🎉"]);
  assert.deepEqual(socket.of("call.remove").map(({ user_id }) => user_id), ["carol"]);
});

test("c3_on_hold_nobody_is_seen_or_heard", async () => {
  const { socket, call, conference } = await inConference();
  slots(socket, slot(3, "bob", "mic"), slot(6, "bob"));
  const holding = call.hold();
  await answer(socket, "call.hold");
  await holding;
  assert.deepEqual(shown(call), ["bob 000", "carol 000"]);
  assert.deepEqual(conference.lines[0]!.stream.getTracks(), []);
  const resuming = call.hold(false);
  await answer(socket, "call.hold");
  await resuming;
  assert.deepEqual(shown(call), ["bob 110", "carol 000"]);
});

function publish(socket: FakeSocket, ...wanted: PublishWanted[]): void {
  socket.receive({ type: "call.publish", call_id: CALL, wanted });
}
const active = (pc: FakePeerConnection) => pc.transceivers[1]!.encodings.map(({ active }) => active !== false);

test("c7_sizes_of_the_camera_that_nobody_shows_are_not_coded_and_come_back", async () => {
  const { socket, pc } = await inConference(SIMULCAST);
  assert.deepEqual(pc.transceivers[1]!.encodings.map(({ rid }) => rid), ["q", "h", "f"]);
  publish(socket, { source: "camera", max_height: 180 });
  await until(() => active(pc).join() === "true,false,false");
  publish(socket, { source: "camera" });
  await until(() => active(pc).join() === "false,false,false");
  publish(socket, { source: "camera", max_height: 720 });
  await until(() => active(pc).join() === "true,true,true");
  assert.equal(pc.offers.length, 1);
});

test("c7_a_connection_made_anew_sends_until_it_is_told_that_nobody_looks", async () => {
  const { socket, pc } = await inConference(SIMULCAST);
  publish(socket, { source: "camera" });
  await until(() => active(pc).join() === "false,false,false");
  pc.become("failed", "connected");
  await answer(socket, "call.connect", { sdp: SIMULCAST, slots: EMPTY });
  const fresh = FakePeerConnection.all.at(-1)!;
  assert.ok(fresh !== pc);
  await until(() => fresh.remoteDescription !== null);
  assert.equal(active(fresh).join(), "true,true,true");
  publish(socket, { source: "camera", max_height: 100 });
  await until(() => active(fresh).join() === "true,false,false");
});

test("c7_a_server_that_takes_one_size_is_sent_the_whole_picture", async () => {
  const { socket, pc } = await inConference();
  const first = () => pc.transceivers[1]!.encodings[0]!;
  await until(() => first().scaleResolutionDownBy === 1);
  assert.equal(first().maxBitrate, 1_800_000);
  publish(socket, { source: "camera", max_height: 300 });
  await until(() => first().scaleResolutionDownBy === 2);
  publish(socket, { source: "camera" });
  await until(() => first().active === false);
  assert.equal(pc.transceivers[2]!.encodings[0]!.active, undefined);
});

test("c7_where_the_server_wants_layers_the_camera_is_one_stream_of_them_and_all_lines_can_show_it", async () => {
  const extensions = (pc: FakePeerConnection, line: number) => pc.transceivers[line]!.extensions.map(({ direction }) => direction).join();
  const { pc, socket } = await inConference("answer", { video_codec: "vp9" });
  const [camera, slot] = [pc.transceivers[1]!, pc.transceivers[6]!];
  assert.deepEqual(camera.encodings.map((it) => (it as { scalabilityMode?: string }).scalabilityMode), ["L3T3_KEY"]);
  assert.deepEqual([camera.codecs, slot.codecs], [["video/VP9", "video/rtx"], ["video/VP9", "video/rtx"]]);
  assert.deepEqual([0, 1, 6].map((line) => extensions(pc, line)), ["sendrecv,stopped", "sendrecv,sendrecv", "sendrecv,sendrecv"]);
  publish(socket, { source: "camera", max_height: 100 });
  await until(() => pc.transceivers[1]!.encodings[0]!.scaleResolutionDownBy === 4);
});

test("c7_a_browser_without_the_servers_codec_shows_what_all_can", async () => {
  const { pc } = await inConference("answer", { video_codec: "av1" });
  assert.deepEqual([1, 6].map((line) => pc.transceivers[line]!.codecs), [["video/VP8", "video/rtx"], ["video/VP8", "video/rtx"]]);
  assert.deepEqual(pc.transceivers[1]!.encodings.map(({ rid }) => rid), ["q", "h", "f"]);
});

test("c7_encodings_fit_what_is_shown", () => {
  const simulcast = (maxHeight: number, height?: number) => {
    const encodings = cameraEncodings("simulcast");
    fit(encodings, { maxHeight, height, simulcast: true });
    return encodings.filter(({ active }) => active !== false).map(({ rid }) => rid).join("");
  };
  assert.deepEqual([0, 90, 180, 181, 360, 361, 720, Infinity].map((h) => simulcast(h, 720)), ["", "q", "q", "qh", "qh", "qhf", "qhf", "qhf"]);
  const scales = (height: number, width?: number) => {
    const encodings = cameraEncodings("simulcast");
    fit(encodings, { maxHeight: Infinity, height, width, simulcast: true });
    return encodings.map(({ active, scaleResolutionDownBy }) => (active === false ? 0 : scaleResolutionDownBy)).join();
  };
  assert.deepEqual([720, 540, 480, 360, 270, 240].map((h) => scales(h)), ["4,2,1", "4,2,1", "2,1,0", "2,1,0", "2,1,0", "1,0,0"]);
  assert.deepEqual([scales(480, 640), scales(720, 540), scales(1280, 720)], ["2,1,0", "2,1,0", "4,2,1"]);
  assert.deepEqual([0, 90, 180, 181, 360, Infinity].map((h) => simulcast(h, 360)), ["", "q", "q", "qh", "qh", "qh"]);
  const alone = (maxHeight: number, height?: number) => {
    const encodings = screenEncodings();
    fit(encodings, { maxHeight, height, simulcast: false });
    return encodings[0]!.active === false ? 0 : (encodings[0]!.scaleResolutionDownBy ?? 1);
  };
  assert.deepEqual([0, 100, 240, 300, 400, 480, 900, Infinity].map((h) => alone(h)), [0, 4, 3, 2, 1.5, 1.5, 1, 1]);
  const scalable = (...heights: number[]) => {
    const encodings = cameraEncodings("scalable");
    for (const maxHeight of heights) fit(encodings, { maxHeight, height: 720, simulcast: false });
    const [{ active, scalabilityMode, scaleResolutionDownBy } = {}] = encodings;
    return active === false ? "" : `${scalabilityMode}/${scaleResolutionDownBy ?? 1}`;
  };
  assert.deepEqual([180, 181, 360, 361, Infinity].map((h) => scalable(h)), ["L1T3/4", "L2T3_KEY/2", "L2T3_KEY/2", "L3T3_KEY/1", "L3T3_KEY/1"]);
  assert.deepEqual([scalable(0), scalable(180, 0), scalable(0, 180), scalable(180, 720)], ["", "", "L1T3/4", "L3T3_KEY/1"]);
  assert.equal(makeWhole(cameraEncodings("scalable")), false, "layers are whole");
  const paused = screenEncodings();
  assert.equal(fit(paused, { maxHeight: Infinity, height: 720, simulcast: false }), false, "nothing to change");
  assert.equal(makeWhole(cameraEncodings(undefined)), false, "it is whole");
  assert.equal(takesSimulcast(SIMULCAST, "1"), true);
  assert.equal(takesSimulcast(SIMULCAST, "2"), false);
  assert.equal(takesSimulcast("answer", "1"), false);
});
