// Takes a picture of somebody's page of files: `node portrait-media.mjs [path]`. Real uploads, of drawn places.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();

const PICTURE = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "../../docs/media.png");

/** Runs in the page: draws places, films one of them, and drops it all on the page. */
async function sends() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1280, 800];
  const c = canvas.getContext("2d");
  const sky = (...colours) => {
    const fill = c.createLinearGradient(0, 0, 0, 620);
    colours.forEach((colour, i) => fill.addColorStop(i / (colours.length - 1), colour));
    c.fillStyle = fill;
    c.fillRect(0, 0, 1280, 800);
  };
  const hills = (base, height, colour, seed) => {
    c.fillStyle = colour;
    c.beginPath();
    c.moveTo(0, 800);
    for (let x = 0; x <= 1280; x += 8) {
      c.lineTo(x, base - height * (Math.sin(x / 190 + seed) + 0.5 * Math.sin(x / 83 + 2 * seed) + 0.2 * Math.sin(x / 31 + seed)));
    }
    c.lineTo(1280, 800);
    c.fill();
  };
  const sun = (x, y, r, colour) => {
    c.fillStyle = colour;
    c.beginPath();
    c.arc(x, y, r, 0, 2 * Math.PI);
    c.fill();
  };
  const mountains = () => {
    sky("#355c7d", "#6c8fa8", "#f2c9a1");
    sun(940, 300, 70, "#fff1d6");
    ["#8aa0b3", "#5f7b8f", "#3e5a68", "#24404a"].forEach((colour, i) => hills(430 + i * 95, 80 - i * 12, colour, i * 2.1));
  };
  const sailing = (t) => {
    sky("#f6a56b", "#f7c98b", "#fbe7c2");
    sun(420, 360, 90, "#fff4dc");
    c.fillStyle = "#2f6f86";
    c.fillRect(0, 480, 1280, 320);
    for (let i = 0; i < 60; i += 1) {
      c.fillStyle = `rgba(255,238,205,${0.1 + 0.25 * Math.abs(Math.sin(i + t))})`;
      c.fillRect(420 + 300 * Math.sin(i * 7.1) * (i / 60), 486 + i * 5, 60 - i / 2, 3);
    }
    const [x, y] = [800 + 40 * Math.sin(t / 2), 520 + 6 * Math.sin(2 * t)];
    const shape = (colour, ...points) => {
      c.fillStyle = colour;
      c.beginPath();
      for (const [dx, dy] of points) c.lineTo(x + dx, y + dy);
      c.fill();
    };
    shape("#fdf6ea", [0, -250], [0, -20], [130, -20]);
    shape("#e6d3b8", [-10, -220], [-10, -20], [-90, -20]);
    shape("#5a2f22", [-120, -10], [150, -10], [110, 40], [-80, 40]);
  };
  const picture = (name, draw) => {
    draw();
    return new Promise((resolve) => canvas.toBlob((blob) => resolve(new File([blob], name, { type: blob.type })), "image/jpeg"));
  };
  const film = async (name) => {
    const stream = canvas.captureStream(0); // a frame when it is asked for: a canvas that nobody sees has none of its own
    const recorder = new MediaRecorder(stream, { mimeType: "video/webm;codecs=vp8" });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const over = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let i = 0; i < 30; i += 1) {
      sailing(i / 5);
      stream.getVideoTracks()[0].requestFrame();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    recorder.stop();
    await over;
    return new File(parts, name, { type: "video/webm" });
  };
  const files = [
    new File([`%PDF-1.7\n${"Rent, Calle Mayor 12\n".repeat(9_000)}`], "Lease.pdf", { type: "application/pdf" }),
    await picture("Above the valley.jpg", mountains),
    await film("Sailing home.webm"),
  ];
  for (const file of files) {
    const box = new DataTransfer();
    box.items.add(file);
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: box, bubbles: true, cancelable: true }));
    const sent = () => document.querySelectorAll('.file[data-state="ready"]').length;
    const before = sent();
    while (sent() === before) await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const { World, closeAll } = await import("./harness.mjs");
const world = new World("portrait", "", {});
try {
  const alice = await world.device("Alice", "left", { viewport: { width: 1280, height: 800, deviceScaleFactor: 1 } });
  await alice.signIn();
  await alice.page.evaluate(() => (location.hash = "#media"));
  await alice.sees("choose-files");
  await alice.page.evaluate(sends);
  await alice.click("record");
  await alice.reads("recording", /0:03/);
  await alice.click("send-voice");
  await alice.until("has four files", () => document.querySelectorAll('.file[data-state="ready"]').length === 4);
  await alice.click("play-sound");
  await alice.until("is in the middle of it", () => document.querySelector("audio")?.currentTime > 1.3);
  await alice.click("play-sound");
  await alice.until("sees all pictures", () => {
    const images = [...document.querySelectorAll('[data-testid="thumbnail"]')];
    return images.length === 2 && images.every(({ naturalWidth }) => naturalWidth > 0);
  });
  await alice.shot(PICTURE);
  console.log(PICTURE);
} finally {
  await world.close();
  await closeAll();
}
