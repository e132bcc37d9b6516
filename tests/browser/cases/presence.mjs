// m6, m16: who is online, when others were last seen, who types; who may see it; and how it looks.

import { opensChat, opensListed, says, seesMessages } from "../chatting.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";

/** Both have written: each is a contact of the other. */
async function know(one, other) {
  await opensChat(one, other);
  await says(one, "Are you there?");
  await opensListed(other, one);
  await says(other, "I am");
  await seesMessages(one, ["Are you there? read", "I am received"]);
}

/** The page is in sight, or no longer: as the browser says it. */
function looks(person, visible) {
  return person.page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, visible ? "visible" : "hidden");
}

scenario("m6_online_last_seen_and_typing_are_seen_by_contacts_while_they_may", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await know(alice, bob);
  await alice.reads("presence-line", /^online$/);
  await bob.page.type('[data-testid="composer"]', "I was just");
  await alice.reads("presence-line", /^typing…$/);
  await alice.reads(`chat-${bob.userId}`, /typing…/);
  await bob.page.evaluate((to) => window.tertulia.client.presence.typing({ user: to }, "voice"), alice.userId);
  await alice.reads("presence-line", /^recording…$/);
  await bob.page.keyboard.press("Enter");
  await alice.reads("presence-line", /^online$/);
  await looks(bob, false);
  await alice.reads("presence-line", /^last seen today at \d/);
  await looks(bob, true);
  await alice.reads("presence-line", /^online$/);
  // To nobody, and then he sees nobody either.
  await bob.reads("presence-line", /^online$/);
  await bob.opensSettings();
  await bob.sees("privacy");
  for (const what of ["online", "last_seen"]) await bob.page.select(`[data-testid="privacy-${what}"]`, "nobody");
  await bob.until("has it changed", () => {
    const { online, last_seen: lastSeen } = window.tertulia.client.settings;
    return online === "nobody" && lastSeen === "nobody";
  });
  await alice.until("knows nothing", (user) => window.tertulia.client.presence.of(user) === undefined, bob.userId);
  await bob.until("knows nothing", (user) => window.tertulia.client.presence.of(user) === undefined, alice.userId);
  await bob.reload();
  await bob.until("has kept it", () => document.querySelector('[data-testid="privacy-online"]')?.value === "nobody");
  for (const what of ["online", "last_seen"]) await bob.page.select(`[data-testid="privacy-${what}"]`, "everyone");
  await alice.until("knows it again", (user) => window.tertulia.client.presence.of(user)?.online === true, bob.userId);
});

scenario("m6_a_page_that_is_loaded_anew_is_online_again_and_knows_who_is", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "firefox"]);
  await know(alice, bob);
  await alice.reads("presence-line", /^online$/);
  await alice.reload();
  await alice.reads("presence-line", /^online$/);
  await bob.reads("presence-line", /^online$/);
});

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(`m6_presence_is_accessible_at_${size}_size`, async (world) => {
    const [alice, bob] = await world.signedIn(["Alice", "left", { viewport }], ["Bob", "right", { viewport }]);
    await know(alice, bob);
    await looks(bob, false);
    await alice.reads("presence-line", /^last seen today at \d/);
    await looksGood(alice, `${size}-last-seen`);
    await looks(bob, true);
    await bob.page.type('[data-testid="composer"]', "Wait, I");
    await alice.reads("presence-line", /^typing…$/);
    await looksGood(alice, `${size}-typing`);
    if (size === "phone") {
      await alice.click("chat-back");
      await alice.click("tab-chats");
      await bob.page.type('[data-testid="composer"]', " am");
      await alice.reads(`chat-${bob.userId}`, /typing…/);
      await looksGood(alice, `${size}-typing-list`);
    }
    await alice.opensSettings();
    await alice.sees("privacy");
    await alice.page.$eval('[data-testid="privacy"]', (it) => it.scrollIntoView({ block: "center" }));
    await looksGood(alice, `${size}-privacy`);
    await alice.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
    await looksGood(alice, `${size}-privacy-dark`);
  });
}
