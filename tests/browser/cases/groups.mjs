// m2: groups as people meet them: making one, writing in it, who comes and goes, and how it looks.

import assert from "node:assert/strict";
import { makesGroup, opensGroup, opensListed, says, seesMessages, shown } from "../chatting.mjs";
import { films } from "../films.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

const events = (person) =>
  person.page.evaluate(() => [...document.querySelectorAll('[data-testid="event"]')].map((it) => it.textContent));

scenario("m2_a_group_is_made_written_in_and_its_ticks_move_when_all_have_read", async (world) => {
  const [alice, bob, carol] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Carol", "left"]);
  await makesGroup(alice, "Sunday rice", [bob, carol]);
  await says(alice, "Who brings what?");
  await opensGroup(bob, "Sunday rice");
  await seesMessages(bob, ["Who brings what? received"]);
  await seesMessages(alice, ["Who brings what? delivered"]);
  await opensGroup(carol, "Sunday rice");
  await seesMessages(alice, ["Who brings what? read"]);
  await says(bob, "Wine");
  await seesMessages(carol, ["Who brings what? received", "Wine received"]);
  assert.match((await events(carol))[0], /Alice \d+ made the group “Sunday rice”/);
  await carol.reads("messages", /Bob \d+/); // who says it is shown
});

scenario("m2_who_is_removed_reads_no_more_and_who_is_added_sees_what_comes", async (world) => {
  const [alice, bob, dan] = await world.signedIn(["Alice", "left"], ["Bob", "right"], ["Dan", "left"]);
  await makesGroup(alice, "The choir", [bob]);
  await says(alice, "first");
  await opensGroup(bob, "The choir");
  await seesMessages(bob, ["first received"]);
  await alice.click("group-info");
  await alice.click("remove-member", `[data-testid="member-${bob.userId}"]`);
  await bob.reads("may-not-write", /not in this group/);
  await alice.click("add-member");
  await alice.click("choose", `[data-testid="choose-${dan.userId}"]`);
  await alice.sees(`member-${dan.userId}`);
  await alice.click("close-dialog");
  await says(alice, "second");
  await opensGroup(dan, "The choir");
  await seesMessages(dan, ["second received"]);
  assert.deepEqual(await shown(bob), ["first received"]);
  assert.match((await events(bob)).at(-1), /Alice \d+ removed you/);
  await dan.click("group-info");
  await dan.click("leave-group");
  await dan.click("leave-sure-confirm");
  await dan.reads("may-not-write", /not in this group/);
  await until("Alice sees it", async () => /Dan \d+ left/.test((await events(alice)).at(-1)));
  await alice.click("group-info");
  await alice.types("group-name", "The small choir");
  await alice.click("group-rename");
  await alice.reads("chat-name", /The small choir/);
});

scenario("m2_d5_a_groups_picture_is_seen_by_all_who_are_in_it", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right", { viewport: SIZES.phone }]);
  await makesGroup(alice, "The garden", [bob]);
  await says(alice, "Look at it");
  await opensGroup(bob, "The garden");
  const chooses = async (file) => {
    await alice.sees("group-icon");
    await (await alice.page.$('[data-testid="group-icon-input"]')).uploadFile(file);
  };
  /** What is shown in the head: how wide and high it is, and which colour is in its middle. */
  const sees = (person) =>
    person.until("sees the picture", () => {
      const it = document.querySelector('[data-testid="chat-head"] .avatar img');
      if (!it?.naturalWidth) return false;
      const context = new OffscreenCanvas(1, 1).getContext("2d");
      context.drawImage(it, it.naturalWidth / 2, it.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
      const [red, green] = context.getImageData(0, 0, 1, 1).data;
      return { size: `${it.naturalWidth} × ${it.naturalHeight}`, isRed: red > green };
    });
  await alice.click("group-info");
  await chooses(films["page.html"]);
  await alice.reads("toast", /“page\.html” is of a kind that can’t be played here/);
  await chooses(films["garden.png"]);
  const own = await sees(alice);
  assert.deepEqual(await sees(bob), own);
  await looksGood(alice, "desktop-group-picture");
  await looksGood(bob, "phone-group-picture");
  await until("Bob is told who did it", async () => (await events(bob)).some((text) => /Alice \d+ .*picture/.test(text)));
  await bob.click("chat-back");
  await bob.until("sees it in the list", () => document.querySelector('[data-testid="chats"] .avatar img')?.naturalWidth > 0);
  await alice.click("group-icon-none");
  await bob.until("sees letters again", () => !document.querySelector('[data-testid="chats"] .avatar img'));
});

scenario("m2_an_invitation_is_an_address_and_good_for_whoever_opens_it", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await makesGroup(alice, "The book club", []);
  await alice.click("group-info");
  await alice.click("invite");
  const address = await alice.reads("invite-address", /#join=/);
  await alice.click("close-dialog");
  await bob.page.evaluate((to) => (location.href = to), address);
  await bob.click("join-group");
  await bob.sees("composer");
  assert.equal(await bob.page.evaluate(() => location.hash.includes("join")), false, "a secret stays in the address");
  await says(bob, "I have read it twice");
  await seesMessages(alice, ["I have read it twice received"]);
  await until("Alice sees who came", async () => (await events(alice)).some((text) => /Bob \d+ joined/.test(text)));
});

scenario("m2_roles_and_rights_are_chosen_and_hold", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await makesGroup(alice, "The board", [bob]);
  await says(alice, "Welcome");
  await opensGroup(bob, "The board");
  await seesMessages(bob, ["Welcome received"]);
  const chooses = (person, testId, value, within = "") =>
    person.page.select(`${within} [data-testid="${testId}"]`, value);
  await alice.click("group-info");
  await alice.types("group-description", "Minutes and decisions");
  await alice.click("group-rename");
  await chooses(alice, "group-post", "admin");
  await bob.reads("may-not-write", /admins/i);
  await bob.click("group-info");
  await bob.reads("group", /Minutes and decisions/);
  await bob.click("close-dialog");
  await chooses(alice, "role", "admin", `[data-testid="member-${bob.userId}"]`);
  await until("Bob sees what he is", async () => /made you an admin/i.test((await events(bob)).at(-1)));
  await says(bob, "Then I write");
  await seesMessages(alice, ["Welcome read", "Then I write received"]);
  // An invitation that was taken back opens nothing.
  await alice.click("invite");
  const address = await alice.reads("invite-address", /#join=/);
  await alice.click("revoke-invite");
  await until("it is taken back", async () => !(await alice.page.$('[data-testid="invite-address"]')));
  const carol = await world.device("Carol", "left");
  await carol.signIn();
  await carol.page.evaluate((to) => (location.href = to), address);
  await carol.click("join-group");
  await carol.reads("toast", /not valid/);
});

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(`m2_groups_are_accessible_at_${size}_size`, async (world) => {
    const [alice, bob, carol] = await world.signedIn(
      ["Alice", "left", { viewport }],
      ["Bob", "right", { viewport }],
      ["Carol", "left", { viewport }],
    );
    const check = (person, page) => looksGood(person, `${size}-${page}`);
    await alice.click("new-group");
    await alice.types("new-group-name", "Sunday rice");
    await alice.click("choose", `[data-testid="choose-${bob.userId}"]`);
    await check(alice, "new-group");
    await alice.click("choose", `[data-testid="choose-${carol.userId}"]`);
    await alice.click("new-group-make");
    await alice.sees("composer");
    await says(alice, "Who brings what?");
    for (const [who, text] of [[bob, "Wine. And the guitar."], [carol, "The rice, of course!"], [bob, "And chairs"]]) {
      await opensGroup(who, "Sunday rice");
      await says(who, text);
      await until("Alice has it", async () => (await shown(alice)).at(-1) === `${text} received`);
    }
    await check(alice, "group");
    await alice.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
    await check(alice, "group-dark");
    await alice.page.emulateMediaFeatures([]);
    await alice.click("group-info");
    await alice.sees("members");
    await check(alice, "group-info");
  });
}

scenario("m7_a_message_is_sent_on_to_another_chat_without_its_file_being_sent_again", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await makesGroup(alice, "The kitchen", [bob]);
  await opensGroup(bob, "The kitchen");
  await says(bob, "Soup at eight");
  await seesMessages(alice, ["Soup at eight received"]);
  await (await bob.page.$('[data-testid="picture-input"]')).uploadFile(films["garden.png"]);
  await bob.click("send-chosen");
  await alice.until("sees the picture", () => document.querySelector('[data-testid="message"] [data-testid="thumbnail"]')?.naturalWidth > 0);
  const uploads = [];
  alice.page.on("request", (request) => request.method() !== "GET" && uploads.push(new URL(request.url()).pathname));
  for (const what of ["Soup at eight", "Photo"]) {
    await alice.page.click(`[data-testid="forward"][aria-label^="Forward: ${what}"]`);
    await alice.types("forward-search", "bob");
    await alice.click("forward-send", `[data-testid="forward-${bob.userId}"]`);
    await alice.reads(`forward-${bob.userId}`, /Sent/);
    if (what === "Photo") await looksGood(alice, "desktop-forward");
    await alice.click("close-dialog");
  }
  await opensListed(bob, alice);
  await bob.until("has both", () => {
    const texts = [...document.querySelectorAll('[data-testid="message"] [data-testid="text"]')].map((it) => it.textContent);
    return texts.includes("Soup at eight") && document.querySelector('[data-testid="message"] [data-testid="thumbnail"]')?.naturalWidth > 0;
  });
  assert.deepEqual(uploads, [], "something was sent again");
});
