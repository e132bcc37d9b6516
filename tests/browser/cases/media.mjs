// d1 to d10 as people meet them: files are sent, seen, heard, shared, refused in words, and gone after one look.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { films } from "../films.mjs";
import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";
import { until } from "../until.mjs";

/** The tus project's own client, as its users load it. */
const TUS = readFileSync(createRequire(import.meta.url).resolve("tus-js-client/dist/tus.min.js"), "utf8");

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
  await person.until("goes on from the button", () => document.activeElement?.dataset.testid === "record");
}

/** Records one by holding the button. */
async function speaksHolding(person) {
  const { x, y } = await (await person.page.$('[data-testid="record"]')).clickablePoint();
  await person.page.mouse.move(x, y);
  await person.page.mouse.down();
  await person.reads("recording", /0:01/);
  await person.page.mouse.up();
  await person.seesNo("recording");
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

/** Follows an address that they were sent. */
async function goesTo(person, address) {
  await person.page.goto("about:blank");
  await person.page.goto(address);
  await person.isOnline();
  await person.sees("received");
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

scenario("d7_d8_a_picture_shows_and_a_voice_note_plays_at_the_speed_one_wants", async (world) => {
  const [alice, fiona] = await world.signedIn(["Alice", "left"], ["Alice", "firefox"]);
  await atFiles(alice, fiona);
  await chooses(alice, "garden.png");
  await speaksHolding(alice);
  await has(alice, "garden.png");
  await alice.until("sees a tiny picture first", () => !!document.querySelector('[data-testid="preview"]')?.src.startsWith("data:image/"));
  for (const person of [alice, fiona]) {
    await has(person, "garden.png");
    await person.click("look", card("garden.png"));
    const size = await person.until("sees the picture", () => {
      const image = document.querySelector('[data-testid="viewer-image"]');
      return image?.naturalWidth > 0 && [image.naturalWidth, image.naturalHeight];
    });
    assert.deepEqual(size, [400, 300]);
    await person.page.keyboard.press("Escape");
    await person.seesNo("viewer");
    await has(person, "Voice note");
    // Louder here, softer there: the fake microphone swells four times a second.
    const bars = await person.page.evaluate(() => [...document.querySelectorAll(".waveform rect")].map((bar) => Number(bar.getAttribute("height"))));
    assert.equal(bars.length, 64);
    assert.ok(Math.max(...bars) > 2 * Math.min(...bars), `a flat waveform: ${bars}`);
    await person.click("play-sound");
    const hears = (what, ask) => person.until(`hears ${what}`, ask);
    await hears("it go on", () => document.querySelector('[data-testid="audio"]')?.currentTime > 0.2);
    // Its link has run out, or the machine's sound has failed: it goes on by a fresh one.
    await person.page.$eval('[data-testid="audio"]', (it) => {
      it.addEventListener("loadstart", () => (it.dataset.again = "yes"), { once: true });
      it.dispatchEvent(new Event("error"));
    });
    await person.until("loads it again", () => document.querySelector('[data-testid="audio"]').dataset.again === "yes");
    await hears("it go on again", () => document.querySelector('[data-testid="audio"]').currentTime > 0.3);
    await person.click("rate");
    await person.click("rate");
    await person.reads("rate", /^2×$/);
    assert.equal(await person.page.evaluate(() => document.querySelector('[data-testid="audio"]').playbackRate), 2);
    await hears("its end", () => document.querySelector('[data-testid="audio"]').ended);
    const seconds = await person.page.evaluate(() => document.querySelector('[data-testid="audio"]').duration);
    assert.ok(seconds > 0.9 && seconds < 5, `a second lasts ${seconds}`);
    await person.until("can play it again", () => document.querySelector('[data-testid="play-sound"]').ariaLabel.startsWith("Play"));
  }
  // A press that is quicker than the page's own first look at the note counts.
  await alice.page.evaluateOnNewDocument(() => {
    new MutationObserver((_, observer) => {
      const button = document.querySelector('[data-testid="play-sound"]');
      if (button) observer.disconnect();
      button?.click();
    }).observe(document, { childList: true, subtree: true });
  });
  await alice.reload();
  await atFiles(alice);
  await alice.until("hears it", () => document.querySelector('[data-testid="audio"]')?.currentTime > 0.2);
});

const TIGHT = {
  more: `[uploads.limits]
video_seconds_max = 3
video_bytes_max = 500000
file_bytes_max = 20000000
`,
};

scenario(
  "d2_refusals_name_the_limit_and_the_figure_on_every_device_and_a_document_is_a_way_out",
  async (world) => {
    const [alice, tablet] = await world.signedIn(["Alice", "left"], ["Alice", "right"]);
    await atFiles(alice, tablet);
    await alice.reads("limits", /488 KB and 3 seconds/);
    // Refused before the first byte, on this device alone.
    await chooses(alice, "large.mkv");
    await alice.reads("refusal", /“large\.mkv” is too large: it has \d+ KB, the most is 488 KB/);
    await alice.click("send-as-document");
    await has(alice, "large.mkv");
    await has(tablet, "large.mkv");
    // Refused once it was opened: the list says so on both.
    await chooses(alice, "long.mkv");
    for (const person of [alice, tablet]) {
      const said = await person.until("is told in words", (selector) => {
        const it = document.querySelector(selector);
        return it?.dataset.state === "refused" && it.textContent;
      }, card("long.mkv"));
      assert.match(said, /“long\.mkv” is too long: it lasts at least [45] seconds, the most is 3 seconds/);
    }
    // Refused while it came in: its name said that it is a text, its bytes that it is a film.
    await alice.page.evaluate(async () => {
      const film = await window.tertulia.client.media.list().then(({ media }) => media.find((it) => it.file_name === "large.mkv"));
      const blob = await window.tertulia.client.media.download(film.media_id);
      const disguised = new File([blob], "notes.txt", { type: "text/plain" });
      const box = new DataTransfer();
      box.items.add(disguised);
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: box, bubbles: true, cancelable: true }));
    });
    await alice.reads("refusal", /“notes\.txt” is too large: it has .* KB, the most is 488 KB/);
    await tablet.reads("refused-elsewhere", /On another of your devices“notes\.txt” is too large: it has .*, the most is 488 KB/);
    await alice.seesNo("refused-elsewhere");
  },
  TIGHT,
);

scenario("d1_documents_are_downloaded_untouched_and_never_run", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  await atFiles(alice);
  const downloads = mkdtempSync(join(tmpdir(), "tertulia-downloads-"));
  world.owns(() => rmSync(downloads, { recursive: true, force: true }));
  const cdp = await alice.browser.target().createCDPSession();
  const { browserContextId } = alice.page.browserContext().id ? { browserContextId: alice.page.browserContext().id } : {};
  await cdp.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads, browserContextId });
  await chooses(alice, ["drawing.svg", "page.html"]);
  await alice.reads("refusal", /“drawing\.svg” is of a kind that can’t be played here/);
  await alice.click("send-as-document");
  for (const name of ["drawing.svg", "page.html"]) {
    await has(alice, name);
    await alice.click("open-document", card(name));
    const path = join(downloads, name);
    await until(`${name} is on the disk`, () => existsSync(path));
    assert.deepEqual(readFileSync(path), readFileSync(films[name]));
    // Whoever opens the link itself gets no page of ours either.
    const link = await alice.page.evaluate(async (selector) => {
      const id = document.querySelector(selector).dataset.testid.replace("media-", "");
      return (await window.tertulia.client.media.link(id)).url;
    }, card(name));
    const tab = await alice.page.browserContext().newPage();
    await tab.goto(link).catch(() => undefined); // a download ends the navigation
    assert.doesNotMatch(await tab.evaluate(() => document.documentElement.outerHTML), /ran/);
    const frame = await alice.page.evaluate(async (url) => {
      const response = await fetch(url);
      return ["content-disposition", "content-security-policy", "x-content-type-options"].map((it) => response.headers.get(it));
    }, link);
    assert.match(frame[0], /^attachment/);
    assert.match(frame[1], /default-src 'none'.*sandbox/);
    assert.equal(frame[2], "nosniff");
    await tab.close();
  }
  assert.equal(await alice.page.evaluate(() => localStorage.ran), undefined);
  assert.equal(alice.page.url().includes("/v1/media/"), false, "the page has gone away");
});

scenario("d1_tus_js_client_creates_sends_in_pieces_aborts_resumes_and_terminates", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  await atFiles(alice);
  await alice.page.evaluate(TUS);
  const told = await alice.page.evaluate(async () => {
    const file = new File([Uint8Array.from({ length: 900_000 }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 24))], "pieces.bin");
    const { client } = window.tertulia;
    const asked = [];
    const options = {
      endpoint: new URL("/v1/media/tus", location.href).href,
      headers: { authorization: `Bearer ${JSON.parse(localStorage.getItem("tertulia.account") ?? sessionStorage.getItem("tertulia.account")).token}` },
      metadata: { filename: file.name, filetype: "application/octet-stream", as: "document" },
      chunkSize: 200_000,
      retryDelays: [100, 200],
      removeFingerprintOnSuccess: true,
      onBeforeRequest: (request) => asked.push(`${request.getMethod()} ${request.getHeader("Upload-Offset") ?? ""}`.trim()),
    };
    let media;
    const upload = (more) => new Promise((resolve, reject) => {
      const one = new tus.Upload(file, {
        ...options,
        onError: reject,
        onSuccess: () => resolve(one),
        onAfterResponse: (_, response) => (media = response.getHeader("tertulia-media-id") ?? media),
        ...more(() => one, resolve),
      });
      one.findPreviousUploads().then((before) => {
        if (before.length > 0) one.resumeFromPreviousUpload(before[0]);
        one.start();
      });
    });
    // Two pieces, then it is stopped.
    const first = await upload((one, resolve) => ({
      onChunkComplete: (_, accepted) => {
        if (accepted >= 400_000) one().abort().then(() => resolve(one()));
      },
    }));
    const before = asked.splice(0);
    // Another one goes on.
    const second = await upload(() => ({}));
    const after = asked.splice(0);
    const got = new Uint8Array(await (await client.media.download(media)).arrayBuffer());
    const sent = new Uint8Array(await file.arrayBuffer());
    // And one is taken back.
    const third = new tus.Upload(new File([sent, "x"], "gone.bin"), { ...options, onError: () => undefined });
    await new Promise((resolve) => {
      third.options.onChunkComplete = (_, accepted) => accepted >= 200_000 && third.abort(true).then(resolve);
      third.start();
    });
    const gone = await fetch(third.url, { method: "HEAD", headers: { ...options.headers, "tus-resumable": "1.0.0" } });
    return {
      before, after, same: first.url === second.url, url: second.url,
      equal: got.length === sent.length && got.every((byte, i) => byte === sent[i]),
      status: (await client.media.status(media)).file_name, gone: gone.status,
    };
  });
  assert.deepEqual(told.before.slice(0, 3), ["POST", "PATCH 0", "PATCH 200000"]);
  assert.equal(told.after[0], "HEAD");
  assert.ok(["PATCH 400000", "PATCH 600000"].includes(told.after[1]), `${told.after}`);
  assert.equal(told.after.at(-1), "PATCH 800000");
  assert.deepEqual([told.same, told.equal, told.status], [true, true, "pieces.bin"]);
  assert.ok([404, 410].includes(told.gone), `a terminated upload answers ${told.gone}`);
  await has(alice, "pieces.bin");
});

scenario("d1_a_page_that_is_reloaded_in_the_middle_of_an_upload_goes_on_with_it", async (world) => {
  const [alice] = await world.signedIn(["Alice", "left"]);
  await atFiles(alice);
  const folder = mkdtempSync(join(tmpdir(), "tertulia-large-"));
  world.owns(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "archive.bin");
  const all = Buffer.from(Uint32Array.from({ length: 5_000_000 }, (_, i) => Math.imul(i, 2_654_435_761)).buffer);
  writeFileSync(path, all);
  const asked = [];
  alice.page.on("request", (request) => asked.push(`${request.method()} ${request.headers()["upload-offset"] ?? ""}`.trim()));
  // The first piece of 8 MiB arrives, the second takes its time.
  const slow = { offline: false, latency: 5, download: -1, upload: 6_000_000 };
  await alice.page.emulateNetworkConditions(slow);
  await chooses(alice, path);
  await until("the second piece is on its way", () => asked.includes("PATCH 8388608"));
  await alice.reload();
  await alice.page.emulateNetworkConditions(null);
  await alice.isOnline();
  await alice.reads("interrupted", /archive\.bin.*choose it again/s);
  asked.length = 0;
  await chooses(alice, path, "again-input");
  const id = await has(alice, "archive.bin");
  await alice.seesNo("interrupted");
  const patched = asked.filter((one) => one.startsWith("PATCH")).map((one) => Number(one.split(" ")[1]));
  assert.ok(asked.includes("HEAD") && patched[0] >= 8_388_608, `it began anew: ${asked}`);
  const sum = await alice.page.evaluate(async (media) => {
    const blob = await window.tertulia.client.media.download(media);
    const hash = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }, id);
  assert.equal(sum, createHash("sha256").update(all).digest("hex"));
});

scenario("d6_d10_a_file_is_shared_taken_back_sent_again_without_bytes_and_looked_at_once", async (world) => {
  const [alice, bob] = await world.signedIn(["Alice", "left"], ["Bob", "right"]);
  await atFiles(alice);
  await chooses(alice, "garden.png");
  await has(alice, "garden.png");
  const address = await shares(alice, "garden.png", bob);
  await alice.until("sees with whom", (selector) => /Shared with Bob/.test(document.querySelector(selector).textContent), card("garden.png"));
  // Bob has it by its address, and nobody else.
  await goesTo(bob, address);
  await bob.sees("received-file");
  await bob.until("sees it", () => document.querySelector('[data-testid="received"] [data-testid="thumbnail"]')?.naturalWidth > 0);
  await alice.click("more", card("garden.png"));
  await alice.click("share", card("garden.png"));
  await alice.click("unshare");
  await alice.sees("choose");
  await alice.click("close-dialog", '[data-testid="share-file"]');
  await goesTo(bob, address);
  await bob.reads("received-problem", /not here any more, or it was not shared/);
  // Deleted: the list is empty, the question was asked.
  await alice.click("more", card("garden.png"));
  await alice.click("delete", card("garden.png"));
  await alice.click("delete-file-confirm");
  await alice.until("has no files", () => document.querySelectorAll(".file").length === 0);
  // For one look.
  await chooses(alice, "garden.png", "once-input");
  await alice.click("choose", `[data-testid="choose-${bob.userId}"]`);
  const once = await alice.reads("address", /#media\//);
  assert.equal(await alice.page.evaluate(() => document.querySelectorAll(".file").length), 0, "it is in the list");
  await goesTo(bob, once);
  await bob.click("look-once");
  await bob.until("looks at it", () => document.querySelector('[data-testid="viewer-image"]')?.naturalWidth === 400);
  await bob.click("close-viewer");
  await bob.reads("received-problem", /gone now/);
  await goesTo(bob, once);
  await bob.sees("received-problem");
  await bob.seesNo("look-once");
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
    await goesTo(bob, address);
    await bob.sees("received-file");
    await looksGood(bob, `${size}-media-received`);
  });
}
