// d1 to d10 as people meet them: files are sent, seen, heard, shared, refused in words, and gone after one look.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFilms } from "../films.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

const films = makeFilms(join(dirname(fileURLToPath(import.meta.url)), "../../../.cache/fixtures/films-v1"));

/** A person who has their page of files open. */
async function atFiles(...people) {
  for (const person of people) {
    await person.page.evaluate(() => (location.hash = "#media"));
    await person.sees("media-page");
    await person.sees("choose-files");
  }
}

/** Chooses files, as the browser's own window would. */
async function chooses(person, names, input = "file-input") {
  const field = await person.page.$(`[data-testid="${input}"]`);
  await field.uploadFile(...[names].flat().map((name) => films[name] ?? name));
}

const card = (name) => `.file:has(.caption .name[title="${name}"])`;

/** The file with this name is there, and can be had; returns its id. */
async function has(person, name) {
  return person.until(`has ${name}`, (selector) => {
    const it = document.querySelector(selector);
    return it?.dataset.state === "ready" && it.dataset.testid.replace("media-", "");
  }, card(name));
}

function seesPoster(person, name) {
  return person.until(`sees the poster of ${name}`, (selector) => {
    return document.querySelector(`${selector} [data-testid="thumbnail"]`)?.naturalWidth > 0;
  }, card(name));
}

/** Plays it, and sees it move; returns what its picture is like. */
async function plays(person, name) {
  await person.click("play", card(name));
  return person.until(`sees ${name} play`, (selector) => {
    const video = document.querySelector(`${selector} video`);
    if (!video || video.error || video.currentTime < 0.2 || !video.videoWidth) return false;
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const pixel = (x, y) => [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3);
    return { width: video.videoWidth, height: video.videoHeight, top: pixel(0.5, 0.2), bottom: pixel(0.5, 0.8) };
  }, card(name));
}

/** Records a voice note of a second: taps, speaks, sends. */
async function speaks(person) {
  await person.click("record");
  await person.reads("recording", /0:01/);
  await person.click("send-voice");
}

/** Shares a file with somebody; returns the address that they are sent. */
async function shares(person, name, other, look = () => {}) {
  await person.click("more", card(name));
  await person.click("share", card(name));
  await person.sees(`choose-${other.userId}`);
  await person.click("choose", `[data-testid="choose-${other.userId}"]`);
  const address = await person.reads("address", /#media\//);
  await look(person);
  await person.click("close-dialog", '[data-testid="share-file"]');
  return address;
}

const isRed = ([r, g, b]) => r > 150 && g < 90 && b < 90;
const isBlue = ([r, g, b]) => r < 90 && g < 90 && b > 150;

scenario("d3_films_of_phones_and_old_programs_play_upright_in_chromium_and_firefox", async (world) => {
  const [alice, tablet] = await world.signedIn(["Alice", "left"], ["Alice", "firefox"]);
  await atFiles(alice, tablet);
  await chooses(alice, ["holiday.mov", "old.mkv"]);
  for (const person of [alice, tablet]) {
    await has(person, "holiday.mov");
    await has(person, "old.mkv");
    for (const name of ["holiday.mov", "old.mkv"]) await seesPoster(person, name);
    const upright = await plays(person, "holiday.mov");
    assert.deepEqual([upright.width, upright.height], [240, 320], `${person.browserName}: not upright`);
    assert.ok(isRed(upright.top) && isBlue(upright.bottom), `${person.browserName}: ${JSON.stringify(upright)}`);
    const old = await plays(person, "old.mkv");
    assert.deepEqual([old.width, old.height], [320, 240]);
  }
});

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(`d1_the_page_of_files_is_accessible_at_${size}_size`, async (world) => {
    const [alice, bob] = await world.signedIn(["Alice", "left", { viewport }], ["Bob", "right", { viewport }]);
    await atFiles(alice);
    await looksGood(alice, `${size}-media-empty`);
    await chooses(alice, ["garden.png", "holiday.mov", "page.html"]);
    await speaks(alice);
    for (const name of ["garden.png", "holiday.mov", "page.html", "Voice note"]) await has(alice, name);
    await seesPoster(alice, "garden.png");
    await seesPoster(alice, "holiday.mov");
    await chooses(alice, "long.mkv");
    await looksGood(alice, `${size}-media`);
    await alice.click("record");
    await alice.sees("recording");
    await looksGood(alice, `${size}-media-recording`);
    await alice.click("discard");
    await alice.click("look", card("garden.png"));
    await alice.sees("viewer-image");
    await looksGood(alice, `${size}-media-viewer`);
    await alice.click("close-viewer");
    const address = await shares(alice, "garden.png", bob, (person) => looksGood(person, `${size}-media-share`));
    await bob.page.goto(address);
    await bob.sees("received-file");
    await looksGood(bob, `${size}-media-received`);
  });
}
