// m1 to m5, m15: messages as people meet them: ticks, without a network, through kills, on several devices, and how they look.

import assert from "node:assert/strict";
import { opensChat, opensListed, says, seesMessages, shown, unread } from "../chatting.mjs";
import { gateTo } from "../gate.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { accounts } from "../server.mjs";
import { Person } from "../person.mjs";
import { until } from "../until.mjs";

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
const inState = (state) => (text) => `${text} ${state}`;

/** Writes many without waiting for the page between them. */
function saysAll(person, other, texts) {
  return person.page.evaluate(
    async (user, all) => {
      for (const text of all) await window.tertulia.client.messages.send(user, text);
    },
    other.userId,
    texts,
  );
}

scenario("m1_m5_two_write_and_the_ticks_go_from_sent_to_delivered_to_read", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await opensChat(alice, bob);
  await bob.goesAway();
  await says(alice, "Good morning ☀ see https://example.org/a?b=c.");
  await seesMessages(alice, ["Good morning ☀ see https://example.org/a?b=c. sent"]);
  const link = await alice.page.$eval('[data-testid="text"] a', (a) => [a.href, a.target, a.rel]);
  assert.deepEqual(link, ["https://example.org/a?b=c", "_blank", "noopener noreferrer nofollow ugc"]);
  await bob.comesBack();
  await seesMessages(alice, ["Good morning ☀ see https://example.org/a?b=c. delivered"]);
  await until("it is counted", async () => (await unread(bob, alice)) === 1);
  await opensListed(bob, alice);
  await seesMessages(alice, ["Good morning ☀ see https://example.org/a?b=c. read"]);
  await until("it is read", async () => (await unread(bob, alice)) === 0);
  await says(bob, "مرحبا");
  await seesMessages(alice, ["Good morning ☀ see https://example.org/a?b=c. read", "مرحبا received"]);
  await seesMessages(bob, ["Good morning ☀ see https://example.org/a?b=c. received", "مرحبا read"]);
  // Shift and Enter begins a line; what is typed is not markup.
  await bob.page.focus('[data-testid="composer"]');
  await bob.page.type('[data-testid="composer"]', "<b>one</b>");
  await bob.page.keyboard.down("Shift");
  await bob.page.keyboard.press("Enter");
  await bob.page.keyboard.up("Shift");
  await bob.page.type('[data-testid="composer"]', "two");
  await bob.page.keyboard.press("Enter");
  await until("both lines are there", async () => (await shown(alice)).at(-1) === "<b>one</b>\ntwo received");
});

scenario("m1_two_makes_of_browser_write_to_each_other", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "firefox"]);
  await opensChat(bob, alice);
  await says(bob, "from one");
  await opensListed(alice, bob);
  await says(alice, "to another");
  await seesMessages(bob, ["from one read", "to another received"]);
  await bob.reload();
  await seesMessages(bob, ["from one read", "to another received"]);
});

scenario("m4_written_without_a_network_it_waits_through_a_reload_and_arrives_once", async (world) => {
  const server = await world.server();
  const gate = await gateTo(server.url);
  world.owns(() => gate.close());
  const [alice, bob] = await world.signedIn(["Alice", "left", { url: gate.url }], ["Bob", "right"]);
  await opensChat(alice, bob);
  await opensChat(bob, alice);
  await says(alice, "before");
  await seesMessages(bob, ["before received"]);
  await seesMessages(alice, ["before read"]);
  // The page can still be loaded; its socket can't be opened.
  gate.shutTo("/v1/ws");
  await alice.until("is offline", () => window.tertulia.client.state === "reconnecting");
  for (const text of ["one", "two", "three"]) await says(alice, text);
  await seesMessages(alice, ["before read", "one pending", "two pending", "three pending"]);
  await alice.reload();
  await seesMessages(alice, ["before read", "one pending", "two pending", "three pending"]);
  await says(alice, "four");
  await seesMessages(bob, ["before received"]);
  gate.open();
  await seesMessages(bob, ["before", "one", "two", "three", "four"].map(inState("received")));
  await seesMessages(alice, ["before", "one", "two", "three", "four"].map(inState("read")));
});

scenario(
  "m3_m4_kills_of_the_server_while_many_are_sent_lose_none_double_none_and_keep_their_order",
  async (world) => {
    const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
    const server = await world.server();
    await opensChat(alice, bob);
    await opensChat(bob, alice);
    const all = numbers(1, 60);
    await saysAll(alice, bob, all);
    for (const sent of [5, 20, 40]) {
      await until(`${sent} are there`, async () => (await shown(bob)).length >= sent);
      await server.end("SIGKILL");
      await server.start();
    }
    await seesMessages(bob, all.map(inState("received")), 60_000);
    await seesMessages(alice, all.map(inState("read")), 60_000);
  },
  { own: true },
);

scenario("m5_who_is_at_the_end_stays_there_when_a_banner_takes_room_and_what_comes_after_is_read", async (world) => {
  const server = await world.server();
  const gate = await gateTo(server.url);
  world.owns(() => gate.close());
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right", { url: gate.url, viewport: SIZES.phone }]);
  await opensChat(alice, bob);
  await opensChat(bob, alice);
  const before = numbers(1, 40);
  await saysAll(alice, bob, before);
  await seesMessages(alice, before.map(inState("read")));
  // The event of the last move to the end comes when the banner is there, and before anybody is told of the smaller room.
  await bob.page.evaluate(() => {
    const list = document.querySelector('[data-testid="message"]').closest(".messages");
    const late = new MutationObserver(() => {
      if (!document.querySelector('main > [data-testid="reconnecting"]')) return;
      late.disconnect();
      list.dispatchEvent(new Event("scroll"));
    });
    late.observe(document.querySelector("main"), { childList: true });
  });
  gate.shutTo("/v1/ws");
  await bob.sees("reconnecting");
  await until("the end is in sight", () => bob.page.evaluate(() => !document.querySelector('[data-testid="to-end"]')));
  const after = numbers(41, 60);
  await saysAll(alice, bob, after);
  gate.open();
  await seesMessages(alice, [...before, ...after].map(inState("read")));
});

scenario("m15_another_device_of_a_person_sees_both_sides_and_what_was_read", async (world) => {
  const [alice, bob, laptop] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Bob", "left"]);
  assert.equal(bob.userId, laptop.userId);
  await opensChat(alice, bob);
  await says(alice, "lunch?");
  await until("both devices count it", async () => (await unread(bob, alice)) === 1 && (await unread(laptop, alice)) === 1);
  await opensListed(bob, alice);
  await says(bob, "at two");
  await until("it is read on both", async () => (await unread(laptop, alice)) === 0);
  await opensListed(laptop, alice);
  await seesMessages(laptop, ["lunch? received", "at two read"]);
  await seesMessages(bob, ["lunch? received", "at two read"]);
  await says(laptop, "or three");
  await seesMessages(bob, ["lunch? received", "at two read", "or three read"]);
});

scenario(
  "m15_two_pages_of_one_device_write_and_one_of_them_sends",
  async (world) => {
    const server = await world.server();
    const [alice, bob] = [await world.device("Alice", "left"), await world.device("Bob", "right")];
    await alice.registers(server, "+34611900001");
    await bob.registers(server, "+34611900002");
    await alice.types("people-search", "+34611900002");
    await alice.click("write", '[data-testid="call-number"]');
    await says(alice, "from the first page");
    await seesMessages(alice, ["from the first page delivered"]);
    const context = alice.page.browserContext();
    const second = new Person(alice.name, await context.newPage(), alice.url);
    await second.comesBack();
    await alice.page.bringToFront();
    await alice.until("has lost its place", () => window.tertulia.client.state === "closed");
    await alice.page.evaluate((user) => window.tertulia.client.messages.send(user, "from the page without a connection"), bob.userId);
    await opensListed(bob, alice);
    await seesMessages(bob, ["from the first page received", "from the page without a connection received"]);
    await seesMessages(alice, ["from the first page read", "from the page without a connection read"]);
    await opensListed(second, bob);
    await says(second, "from the second");
    await seesMessages(alice, ["from the first page read", "from the page without a connection read", "from the second read"]);
  },
  accounts,
);

scenario("m1_what_the_server_will_never_take_is_told_and_can_be_deleted", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await opensChat(alice, bob);
  await says(alice, "hello");
  await alice.page.evaluate(() => window.tertulia.client.messages.send("nobody-at-all", "are you there?"));
  await alice.click("chat-nobody-at-all");
  await alice.reads("not-sent", /Nobody here/);
  // Tried again it is another one: that one is deleted.
  const failed = () =>
    alice.page.evaluate(async () => {
      const { messages } = await window.tertulia.client.messages.thread("user:nobody-at-all");
      return messages[0]?.n;
    });
  const first = await failed();
  await alice.click("retry");
  const second = await until("it has failed again", async () => {
    const now = await failed();
    return now !== first && now;
  });
  await alice.until("sees that", (n) => document.querySelector('[data-testid="message"]').dataset.n === String(n), second);
  await alice.click("discard");
  await alice.seesNo("chat-nobody-at-all");
  await opensListed(alice, bob);
  await until("the other one is not touched", async () => (await shown(alice)).length === 1);
});

scenario("m1_the_reader_who_scrolled_up_stays_there_and_is_told_what_is_new", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await saysAll(alice, bob, numbers(1, 30));
  await until("they are there", async () => (await unread(bob, alice)) === 30);
  await opensListed(bob, alice);
  const box = '[data-testid="conversation"] .messages';
  // As often as somebody would who wants to see the end: what is before it may still be loading.
  const scrollsToTheEnd = () =>
    until("all is read", async () => {
      await bob.page.$eval(box, (it) => it.scrollTo(0, it.scrollHeight));
      return (await unread(bob, alice)) === 0;
    });
  await scrollsToTheEnd();
  await bob.click("chat-back");
  await saysAll(alice, bob, numbers(31, 130));
  await until("all are there", async () => (await unread(bob, alice)) === 100);
  await opensListed(bob, alice);
  await bob.sees("news");
  await scrollsToTheEnd();
  await bob.page.$eval(box, (it) => it.scrollTo(0, 600));
  await bob.sees("to-end");
  const before = await bob.page.$eval(box, (it) => it.scrollTop);
  await saysAll(alice, bob, ["131", "132"]);
  await bob.reads("to-end", /2 new messages/);
  assert.equal(await bob.page.$eval(box, (it) => it.scrollTop), before);
  assert.equal(await unread(bob, alice), 2, "not read before it was seen");
  await bob.click("to-end");
  await until("it is read", async () => (await unread(bob, alice)) === 0);
  // What is before comes when one goes there, and nothing jumps.
  await bob.page.$eval(box, (it) => it.scrollTo(0, 0));
  await until("the first one is loaded", async () => (await shown(bob))[0] === "1 received");
});

scenario("m1_back_leads_to_the_list_and_an_address_to_its_conversation", async (world) => {
  const [alice, bob] = await world.signedIn(
    ["Alice", "left", { viewport: SIZES.phone }],
    ["Bob", "right", { viewport: SIZES.phone }],
  );
  await opensChat(alice, bob);
  await alice.seesNo("tab-people");
  await says(alice, "hello");
  await alice.page.goBack();
  await alice.sees("tab-people");
  await alice.click("tab-chats");
  await alice.click(`chat-${bob.userId}`);
  await alice.reload();
  await seesMessages(alice, ["hello delivered"]);
  await alice.click("chat-back");
  await alice.sees(`chat-${bob.userId}`);
  // A call from the conversation, and back into it.
  await alice.click(`chat-${bob.userId}`);
  await alice.click("call-voice", '[data-testid="chat-head"]');
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await alice.hangsUp();
  await seesMessages(alice, ["hello delivered"]);
});

scenario("m4_signing_out_leaves_no_message_behind", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await opensChat(alice, bob);
  await says(alice, "between us");
  const kept = () => alice.page.evaluate(async () => (await indexedDB.databases()).filter(({ name }) => name.startsWith("tertulia-messages")).length);
  assert.equal(await kept(), 1);
  await alice.opensSettings();
  // At once: what was written a moment ago may still be on its way to the disk.
  await alice.click("sign-out");
  await alice.reads("sign-out-sure", /Your messages on this device are deleted/);
  await alice.click("sign-out-sure-confirm");
  await alice.sees("sign-in-name");
  await until("nothing is kept", async () => (await kept()) === 0);
});

scenario("m4_who_has_written_nothing_is_asked_too_before_signing_out", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  await alice.opensSettings();
  await alice.click("sign-out");
  await alice.reads("sign-out-sure", /won’t ring any more/);
  assert.doesNotMatch(await alice.page.$eval('[data-testid="sign-out-sure"]', (it) => it.textContent), /are deleted/);
  await alice.page.keyboard.press("Escape");
  await alice.seesNo("sign-out-sure");
  await alice.sees("settings-page");
  await alice.click("sign-out");
  await alice.click("sign-out-sure-confirm");
  await alice.sees("sign-in-name");
});

scenario("m1_a_page_without_storage_says_so_and_still_calls", async (world) => {
  const before = "delete window.indexedDB; Object.defineProperty(window, 'indexedDB', { value: undefined });";
  const [alice, bob] = await world.signedIn(["Alice", "left", { before }], ["Bob", "right"]);
  await alice.reads("messages-problem", /keeps nothing/);
  await alice.calls(bob, "voice");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
});

const TALK = [
  ["bob", "Are you coming on Sunday? My sister is making the rice with the artichokes, the one from last year."],
  ["alice", "Of course! I’ll bring the wine and Carmen brings her guitar 🎸"],
  ["alice", "What time?"],
  ["bob", "Two, Spanish time. So: three."],
  ["bob", "Here is the place: https://www.openstreetmap.org/?mlat=36.7213&mlon=-4.4214#map=17/36.7213/-4.4214"],
  ["alice", "😂"],
  ["alice", "أراك يوم الأحد"],
];

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(`m1_conversations_are_accessible_at_${size}_size`, async (world) => {
    const [alice, bob, carmen] = await world.signedIn(
      ["Alice", "left", { viewport }],
      ["Bob", "right", { viewport }],
      ["Carmen", "left", { viewport }],
    );
    const check = (person, page) => looksGood(person, `${size}-${page}`);
    if (size === "phone") await alice.click("tab-chats");
    await check(alice, "chats-empty");
    await opensChat(alice, bob);
    await opensChat(bob, alice);
    await check(alice, "conversation-empty");
    for (const [who, text] of TALK) {
      await says(who === "alice" ? alice : bob, text);
      await until("it is there", async () => (await shown(who === "alice" ? bob : alice)).at(-1) === `${text} received`);
    }
    await until("all is read", async () => (await shown(alice)).at(-1).endsWith("read"));
    await saysAll(carmen, alice, ["I found the strings!", "Shall we rehearse before?"]);
    await until("her list has it", async () => (await unread(alice, carmen)) === 2);
    await alice.page.evaluate(() => window.tertulia.client.messages.send("nobody-at-all", "Is this your name?"));
    await alice.page.type('[data-testid="composer"]', "And the children,");
    await alice.page.keyboard.down("Shift");
    await alice.page.keyboard.press("Enter");
    await alice.page.keyboard.up("Shift");
    await alice.page.type('[data-testid="composer"]', "will they come too?");
    await check(alice, "conversation");
    await alice.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
    await check(alice, "conversation-dark");
    await alice.click("chat-back");
    if (size === "phone") await alice.click("tab-chats");
    await alice.sees(`chat-${bob.userId}`);
    await check(alice, "chats-dark");
    await alice.page.emulateMediaFeatures([]);
    await check(alice, "chats");
    await alice.click("chat-nobody-at-all");
    await alice.sees("not-sent");
    await check(alice, "conversation-failed");
  });
}

scenario("m4_the_browser_is_asked_once_to_keep_what_was_written_and_the_settings_say_whether_it_does", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  // A browser that says no, as most do at first.
  await alice.page.evaluateOnNewDocument(() => {
    navigator.storage.persisted = () => Promise.resolve(false);
    navigator.storage.persist = () => {
      sessionStorage.asked = Number(sessionStorage.asked ?? 0) + 1;
      return Promise.resolve(false);
    };
  });
  await alice.reload();
  await alice.isOnline();
  const asked = () => alice.page.evaluate(() => sessionStorage.asked);
  await alice.click("settings");
  await alice.sees("settings-page");
  await alice.seesNo("kept");
  await alice.page.goBack();
  assert.equal(await asked(), undefined, "it was asked for nothing");
  await opensChat(alice, bob);
  await says(alice, "Keep this");
  await until("it is asked", async () => (await asked()) === "1");
  for (let time = 0; time < 2; time += 1) {
    await alice.reload();
    await alice.isOnline();
    await alice.click("settings");
    await alice.reads("kept", /may delete them when its disk is full/);
    await alice.page.goBack();
  }
  assert.equal(await asked(), "1");
});
