// d1, d2, d5, d6, m9, m10: files in conversations, as people meet them: seen, heard, waited for, refused in words, taken back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { opensChat, opensListed } from "../chatting.mjs";
import { films } from "../films.mjs";
import { gateTo } from "../gate.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

/** Chooses a file, as the browser's own window would; then a few words, and sends. */
async function sends(person, name, { words = "", as = "picture", once = false } = {}) {
  await person.sees("attach");
  const field = await person.page.$(`[data-testid="${as}-input"]`);
  await field.uploadFile(films[name] ?? name);
  await person.sees("attach-ask");
  if (words) await person.page.type('[data-testid="caption"]', words);
  if (once) await person.click("for-one-look");
  await person.click("send-chosen");
  await person.seesNo("attach-ask");
}

/** Each message that is shown: what it carries, its words, its state. */
function carried(person) {
  return person.page.evaluate(() =>
    [...document.querySelectorAll('[data-testid="message"]')].map((it) => {
      const kinds = ["look", "video", "play", "sound", "open-document", "look-once", "once", "waiting", "gone"];
      const kind = kinds.find((one) => it.querySelector(`[data-testid="${one}"]`)) ?? "text";
      const words = it.querySelector('[data-testid="text"]')?.textContent;
      return [kind, words, it.dataset.state].filter(Boolean).join(" ");
    }),
  );
}

async function seesCarried(person, ...expected) {
  let last;
  await until(`${person.name} sees ${expected.join(", ")}`, async () => {
    last = await carried(person);
    return JSON.stringify(last) === JSON.stringify(expected);
  }).catch((error) => {
    throw new Error(`${error.message}\nsees: ${JSON.stringify(last)}`);
  });
}

const seesThumbnail = (person) =>
  person.until("sees the picture", () => document.querySelector('[data-testid="message"] [data-testid="thumbnail"]')?.naturalWidth > 0);

async function speaks(person) {
  await person.click("record");
  await person.reads("recording", /0:01/);
  await person.click("send-voice");
  await person.seesNo("recording");
}

scenario("m10_d5_a_photo_a_voice_message_a_film_and_a_document_go_from_one_to_another", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await opensChat(alice, bob);
  await sends(alice, "garden.png", { words: "The garden" });
  await seesCarried(alice, "look The garden delivered");
  await bob.reads(`chat-${alice.userId}`, /Photo: The garden/);
  await opensListed(bob, alice);
  await seesCarried(bob, "look The garden received");
  await seesThumbnail(bob);
  // By the keyboard, and back to where one was.
  await bob.page.focus('[data-testid="look"]');
  await bob.page.keyboard.press("Enter");
  await bob.until("sees it whole", () => document.querySelector('[data-testid="viewer-image"]')?.naturalWidth === 400);
  await bob.page.keyboard.press("Escape");
  await bob.seesNo("viewer");
  await bob.until("goes on from it", () => document.activeElement?.dataset.testid === "look");
  // Spoken.
  await speaks(bob);
  await seesCarried(alice, "look The garden read", "sound received");
  await alice.reads(`chat-${bob.userId}`, /Voice message 0:0[12]/);
  await alice.click("play-sound");
  await alice.until("hears it", () => document.querySelector('[data-testid="audio"]')?.currentTime > 0.2);
  // A film with its poster, which plays; a paper with its name.
  await sends(alice, "holiday.mov");
  await seesCarried(bob, "look The garden received", "sound read", "play received");
  await bob.click("play");
  await bob.until("sees it play", () => {
    const video = document.querySelector('[data-testid="video"]');
    return video?.currentTime > 0.2 && video.videoWidth === 240;
  });
  await sends(alice, "garden.png", { as: "document" });
  await seesCarried(bob, "look The garden received", "sound read", "video received", "open-document received");
  assert.match(await bob.page.$eval('[data-testid="open-document"]', (it) => it.textContent), /Download garden\.png.*PNG/);
  // Dropped on the conversation: asked about first.
  await alice.page.evaluate(() => {
    const box = new DataTransfer();
    box.items.add(new File(["hello"], "note.txt", { type: "text/plain" }));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: box, bubbles: true, cancelable: true }));
  });
  await alice.reads("chosen", /note\.txt/);
  await alice.until("is asked", () => document.querySelector('dialog[open]')?.contains(document.activeElement));
  await alice.page.keyboard.press("Escape");
  await alice.seesNo("attach-ask");
  // Taken back by who sent it: the message stays, and says so.
  const first = await alice.page.evaluate(async () => {
    const { media } = (await window.tertulia.client.media.list(), window.tertulia.client);
    const all = (await media.list()).media;
    const photo = all.find((one) => one.class === "image");
    await media.delete(photo.media_id);
    return photo.media_id;
  });
  assert.ok(first);
  // What the server does not answer at first is asked again: without that he would go on seeing what is gone.
  await bob.page.evaluateOnNewDocument(() => {
    const real = window.fetch;
    let refused = 0;
    window.fetch = (what, ...how) => {
      const refuses = /\/v1\/media\//.test(String(what?.url ?? what)) && (refused += 1) <= 6;
      return refuses ? Promise.reject(new TypeError("no network")) : real(what, ...how);
    };
  });
  await bob.reload();
  await bob.sees("open-document");
  await bob.page.evaluate(() => document.querySelector('[role="log"]').scrollTo({ top: 0 }));
  await until("Bob reads that it is gone", async () => (await carried(bob))[0] === "gone The garden received");
});

scenario("d1_m10_chosen_without_a_network_it_goes_after_a_reload_and_arrives_once", async (world) => {
  const server = await world.server();
  const gate = await gateTo(server.url);
  world.owns(() => gate.close());
  const [alice, bob] = await world.signedIn(["Alice", "left", { url: gate.url }], ["Bob", "right"]);
  await opensChat(alice, bob);
  await opensChat(bob, alice);
  gate.shutTo("/v1/ws", "/v1/media");
  await alice.until("is offline", () => window.tertulia.client.state === "reconnecting");
  await sends(alice, "garden.png", { words: "later" });
  await seesCarried(alice, "waiting later pending");
  await alice.reload();
  await seesCarried(alice, "waiting later pending");
  gate.open();
  await seesCarried(alice, "look later read");
  await seesCarried(bob, "look later received");
});

scenario(
  "d2_m10_too_large_is_said_in_words_and_holds_nothing_up",
  async (world) => {
    const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
    await opensChat(alice, bob);
    await opensChat(bob, alice);
    await sends(alice, "large.mkv");
    await alice.reads("not-sent", /too large: it has \d+ KB, the most is 488 KB/);
    await sends(alice, "garden.png", { words: "this one" });
    await seesCarried(bob, "look this one received");
    await alice.click("discard");
    await seesCarried(alice, "look this one read");
  },
  { more: "[uploads.limits]\nvideo_bytes_max = 500000\n" },
);

scenario("m9_for_one_look_it_is_seen_once", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await opensChat(alice, bob);
  await opensChat(bob, alice);
  await sends(alice, "garden.png", { once: true });
  await seesCarried(alice, "once read");
  await seesCarried(bob, "look-once received");
  await bob.click("look-once");
  await bob.sees("viewer-image");
  await bob.click("close-viewer");
  await seesCarried(bob, "gone received");
  await bob.reload();
  await seesCarried(bob, "look-once received");
  await bob.click("look-once");
  await seesCarried(bob, "gone received");
});

scenario("u1_files_in_a_conversation_look_good_on_a_phone_and_on_a_desk", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left", { viewport: SIZES.desktop }], ["Bob", "right", { viewport: SIZES.phone }]);
  await opensChat(alice, bob);
  await opensChat(bob, alice);
  await sends(alice, "garden.png", { words: "The garden, seen from the terrace" });
  await until("the picture is there", async () => (await carried(bob)).length === 1);
  await speaks(alice);
  await until("both are there", async () => (await carried(bob)).length === 2);
  // A film takes a while: what is sent after it does not wait.
  await sends(bob, "holiday.mov");
  await until("the film is there", async () => (await carried(alice)).at(-1) === "play received");
  await sends(bob, "garden.png", { as: "document" });
  await speaks(bob);
  await until("the note is there", async () => (await carried(alice)).at(-1) === "sound received");
  await sends(bob, "garden.png", { once: true });
  const there = (own, theirs) => [`look The garden, seen from the terrace ${own}`, `sound ${own}`, `play ${theirs}`, `open-document ${theirs}`, `sound ${theirs}`];
  await seesCarried(alice, ...there("read", "received"), "look-once received");
  await seesCarried(bob, ...there("received", "read"), "once read");
  await seesThumbnail(alice);
  await looksGood(alice, "chat-media-desktop");
  await looksGood(bob, "chat-media-phone");
  const field = await bob.page.$('[data-testid="picture-input"]');
  await field.uploadFile(films["garden.png"]);
  await bob.sees("attach-ask");
  await looksGood(bob, "chat-media-ask-phone");
  await bob.page.keyboard.press("Escape");
  await bob.click("record");
  await bob.reads("recording", /0:01/);
  await looksGood(bob, "chat-media-recording-phone");
  await bob.click("discard");
});
