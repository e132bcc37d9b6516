// People who write to each other: what they do and what they see, for the scenarios of messages.

import { until } from "./until.mjs";

/** Opens the conversation with somebody, from the list of people. */
export async function opensChat(person, other) {
  const open = await person.page.evaluate(() => !!document.querySelector('[data-testid="chat-back"]')?.checkVisibility());
  if (open) await person.click("chat-back");
  const tabs = await person.page.evaluate(() => !!document.querySelector('[data-testid="tab-people"]')?.checkVisibility());
  if (tabs) await person.click("tab-people");
  await person.click("write", `[data-testid="person-${other.userId}"]`);
  await person.sees("composer");
}

/** Opens it from the list of conversations. */
export async function opensListed(person, other) {
  const tabs = await person.page.evaluate(() => !!document.querySelector('[data-testid="tab-chats"]')?.checkVisibility());
  if (tabs) await person.click("tab-chats");
  await person.click(`chat-${other.userId}`);
  await person.sees("composer");
}

/** Writes it, and presses Enter. */
export async function says(person, text) {
  await person.sees("composer");
  await person.page.focus('[data-testid="composer"]');
  await person.page.type('[data-testid="composer"]', text);
  await person.page.keyboard.press("Enter");
  await person.until("has an empty field again", () => document.querySelector('[data-testid="composer"]').value === "");
}

/** Each message that is shown, with its state: `hello read`. */
export function shown(person) {
  return person.page.evaluate(() =>
    [...document.querySelectorAll('[data-testid="message"]')].map(
      (it) => `${it.querySelector('[data-testid="text"]').textContent} ${it.dataset.state}`,
    ),
  );
}

/** Waits until exactly these are shown. */
export async function seesMessages(person, expected, patience) {
  let last;
  await until(`${person.name} sees ${expected.slice(-3).join(", ")}`, async () => {
    last = await shown(person);
    return JSON.stringify(last) === JSON.stringify(expected);
  }, patience).catch((error) => {
    throw new Error(`${error.message}\nsees: ${JSON.stringify(last)}`);
  });
}

/** How many unread messages a row of the list says. */
export function unread(person, other) {
  return person.page.evaluate(
    (row) => Number.parseInt(document.querySelector(`${row} [data-testid="unread"]`)?.textContent ?? "0", 10),
    `[data-testid="chat-${other.userId}"]`,
  );
}

/** Opens a group by its name, from the list of conversations. */
export async function opensGroup(person, name) {
  const open = await person.page.evaluate((title) => document.querySelector('[data-testid="chat-name"]')?.textContent === title, name);
  if (open) return;
  const tabs = await person.page.evaluate(() => !!document.querySelector('[data-testid="tab-chats"]')?.checkVisibility());
  if (tabs) await person.click("tab-chats");
  await person.until(`can open ${name}`, (title) => {
    const row = [...document.querySelectorAll('[data-testid^="chat-group:"]')].find((it) => it.textContent.includes(title));
    row?.click();
    return !!row;
  }, name);
  await person.until("is there", (title) => document.querySelector('[data-testid="chat-name"]')?.textContent === title, name);
}

/** Makes a group, from the list of people. */
export async function makesGroup(person, name, others) {
  await person.click("new-group");
  await person.types("new-group-name", name);
  for (const other of others) await person.click("choose", `[data-testid="choose-${other.userId}"]`);
  await person.click("new-group-make");
  await person.until("is in the new group", (title) => document.querySelector('[data-testid="chat-name"]')?.textContent === title, name);
}
