// m20: somebody turns notifications on, closes the page, and is woken for messages and calls.

import assert from "node:assert/strict";
import { opensChat, says } from "../chatting.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { keysOf, PushService, subscribeHere } from "../push-service.mjs";
import { until } from "../until.mjs";

const PORT = 18_911;
const settings = { more: `[push]\nhosts = ["127.0.0.1:${PORT}"]\nafter_s = 1` };

/** The page's service worker is handed a push, as the browser would. */
async function hands(person, text) {
  const { origin } = new URL(person.url);
  await person.worker.send("ServiceWorker.deliverPushMessage", { origin, registrationId: person.registrationId, data: JSON.stringify(text) });
}

/** What stands in the notifications. Asked from a page of the origin that is none of the app's. */
const notes = (person) =>
  person.page.evaluate(async () => {
    const worker = await navigator.serviceWorker.getRegistration("/");
    return (await worker.getNotifications()).map(({ title, body }) => `${title}: ${body}`);
  });

async function turnsOn(person) {
  await person.page.browserContext().overridePermissions(new URL(person.url).origin, ["notifications"]);
  person.worker = await person.page.createCDPSession();
  person.worker.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
    for (const { registrationId, isDeleted } of registrations) if (!isDeleted) person.registrationId = registrationId;
  });
  await person.worker.send("ServiceWorker.enable");
  await person.click("settings");
  await person.reads("waking-state", /Off/);
  await person.click("waking-switch");
  await person.reads("waking-state", /On/);
  person.subscription = await keysOf(person);
  await until("its worker is there", () => person.registrationId);
}

scenario(
  "m20_who_has_closed_the_page_is_woken_for_messages_and_calls",
  async (world) => {
    const service = await PushService.open(PORT);
    world.owns(() => service.close());
    const [alice] = await world.signedIn(["Alice", "left"]);
    const bob = await world.device("Bob", "right");
    await bob.page.evaluateOnNewDocument(subscribeHere, `http://127.0.0.1:${PORT}/bob`);
    await bob.signIn();
    await turnsOn(bob);
    await looksGood(bob, "settings-notifications");
    await bob.page.setViewport(SIZES.phone);
    await looksGood(bob, "settings-notifications-phone");
    // The page is closed; another one of the same origin is not the app.
    await bob.page.goto(`${bob.url}manifest.webmanifest`);
    await opensChat(alice, bob);
    await says(alice, "Are you there?");
    const told = await service.next(bob);
    assert.deepEqual(told, { type: "messages" });
    await bob.page.goto("about:blank");
    await hands(bob, told);
    await hands(bob, { type: "call", call_id: "1", from: "Alice", video: true, expires_at: Date.now() + 60_000 });
    await bob.page.goto(`${bob.url}manifest.webmanifest`);
    const shown = await until("both are shown", async () => ((await notes(bob)).length === 2 ? notes(bob) : undefined));
    assert.deepEqual(shown.sort(), ["Alice is calling: Video call", "New messages: Open Tertulia to read them."]);
    await bob.page.goto("about:blank");
    await hands(bob, { type: "call_over", call_id: "1", from: "Alice", video: true, missed: true });
    await bob.page.goto(`${bob.url}manifest.webmanifest`);
    await until("it is a missed call", async () => (await notes(bob)).includes("Alice called: Missed video call"));
    // Back in the page it can be turned off, and is off on the server.
    await bob.open();
    await bob.isOnline();
    await bob.click("settings");
    await bob.reads("waking-state", /On/);
    await bob.click("waking-switch");
    await bob.reads("waking-state", /Off/);
  },
  settings,
);
