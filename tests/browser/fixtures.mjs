// What the cameras see and the microphones hear: made here, frame by frame, so that a test can read what arrives.
//
// A camera shows a colour of its own, a counter (as digits for people and as black and white cells for tests) and a white
// patch that flashes each second. A microphone hears a tone of its own, and a beep at each flash. Chromium plays the files
// in a loop as if they were devices.

import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

export const WIDTH = 640;
export const HEIGHT = 360;
export const FPS = 15;
export const SECONDS = 8;
export const FRAMES = FPS * SECONDS;
/** Where the parts of the picture are; `probe.js` reads them there, at any size. */
export const CELLS = { x: 16, y: 12, size: 40, gap: 8, count: 8 };
export const FLASH = { x: 460, y: 240, width: 160, height: 100 };
export const SWATCH = { x: 16, y: 280, width: 120, height: 60 };
const FLASH_FRAMES = 3;

export const BEEP_HZ = 2000;
const BEEP_S = 0.06;
const SAMPLE_RATE = 48_000;

/** Who stands before which camera. The colours differ in chroma, where compression changes little. */
export const PEOPLE = {
  left: { toneHz: 440, yuv: [110, 90, 190] }, // red
  right: { toneHz: 660, yuv: [110, 190, 100] }, // blue
};

/** Makes the files that are not there yet; returns their paths by person. */
export function makeFixtures(folder) {
  mkdirSync(folder, { recursive: true });
  const made = {};
  for (const [name, look] of Object.entries(PEOPLE)) {
    const camera = join(folder, `camera-${name}-v1.y4m`);
    const microphone = join(folder, `microphone-${name}-v1.wav`);
    if (!existsSync(camera)) whole(camera, (path) => writeCamera(path, look));
    if (!existsSync(microphone)) whole(microphone, (path) => writeMicrophone(path, look));
    made[name] = { camera, microphone };
  }
  return made;
}

/** A file is there whole or not at all. */
function whole(path, write) {
  write(`${path}.part`);
  renameSync(`${path}.part`, path);
}

function writeCamera(path, { yuv }) {
  const file = openSync(path, "w");
  writeSync(file, `YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FPS}:1 Ip A1:1 C420jpeg\n`);
  for (let n = 0; n < FRAMES; n += 1) {
    writeSync(file, "FRAME\n");
    writeSync(file, paint(n, yuv));
  }
  closeSync(file);
}

function paint(n, [y, u, v]) {
  const luma = Buffer.alloc(WIDTH * HEIGHT, y);
  const chroma = (WIDTH * HEIGHT) / 4;
  const frame = Buffer.concat([luma, Buffer.alloc(chroma, u), Buffer.alloc(chroma, v)]);
  const box = (x, top, width, height, value) => {
    for (let row = top; row < Math.min(HEIGHT, top + height); row += 1) {
      frame.fill(value, row * WIDTH + x, row * WIDTH + Math.min(WIDTH, x + width));
    }
  };
  // Something that moves, so that an encoder has work: a soft bar that crosses the picture once in a loop.
  box(Math.floor((n / FRAMES) * (WIDTH - 40)), 80, 40, 24, 180);
  cells(n).forEach((on, i) => {
    box(CELLS.x + i * (CELLS.size + CELLS.gap), CELLS.y, CELLS.size, CELLS.size, on ? 235 : 16);
  });
  digits(String(n).padStart(3, "0"), 150, 120, 20, box);
  box(FLASH.x, FLASH.y, FLASH.width, FLASH.height, n % FPS < FLASH_FRAMES ? 235 : 16);
  return frame;
}

/** Seven bits, the highest first, then their parity. */
function cells(n) {
  const bits = [6, 5, 4, 3, 2, 1, 0].map((bit) => (n >> bit) & 1);
  return [...bits, bits.reduce((a, b) => a ^ b, 0)];
}

const FONT = {
  0: [7, 5, 5, 5, 7], 1: [2, 6, 2, 2, 7], 2: [7, 1, 7, 4, 7], 3: [7, 1, 7, 1, 7], 4: [5, 5, 7, 1, 1],
  5: [7, 4, 7, 1, 7], 6: [7, 4, 7, 5, 7], 7: [7, 1, 1, 2, 2], 8: [7, 5, 7, 5, 7], 9: [7, 5, 7, 1, 7],
};

function digits(text, x, y, size, box) {
  [...text].forEach((digit, at) => {
    FONT[digit].forEach((row, down) => {
      for (let across = 0; across < 3; across += 1) {
        if (row & (4 >> across)) box(x + (at * 4 + across) * size, y + down * size, size, size, 235);
      }
    });
  });
}

function writeMicrophone(path, { toneHz }) {
  const samples = new Int16Array(SAMPLE_RATE * SECONDS);
  for (let i = 0; i < samples.length; i += 1) {
    const t = i / SAMPLE_RATE;
    const [hz, level] = t % 1 < BEEP_S ? [BEEP_HZ, 0.5] : [toneHz, voice(t)];
    samples[i] = Math.round(32_767 * level * Math.sin(2 * Math.PI * hz * t));
  }
  writeFileSync(path, Buffer.concat([wavHeader(samples.length), Buffer.from(samples.buffer)]));
}

/** A tone that never changes is noise to a noise suppressor: this one swells like syllables, four in a second. */
function voice(t) {
  return 0.3 * (0.55 - 0.45 * Math.cos(2 * Math.PI * 4 * t));
}

function wavHeader(samples) {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples * 2, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // mono
  header.writeUInt32LE(SAMPLE_RATE, 24);
  header.writeUInt32LE(SAMPLE_RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples * 2, 40);
  return header;
}
