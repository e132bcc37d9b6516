// Files to upload, made by the `ffmpeg` command: films as phones and old programs write them, pictures, and papers that would
// do harm if they were run.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const WIDTH = 320;
const HEIGHT = 240;
const SECONDS = 2;

/** Those that are not there yet are made. */
function makeFilms(folder) {
  mkdirSync(folder, { recursive: true });
  const made = {};
  for (const [name, make] of Object.entries(FILES)) {
    const path = join(folder, name);
    if (!existsSync(path)) {
      const part = join(folder, `part-${name}`);
      make(part);
      renameSync(part, path);
    }
    made[name] = path;
  }
  return made;
}

const ffmpeg = (...words) => execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-y", ...words]);
const lavfi = (...graphs) => graphs.flatMap((graph) => ["-f", "lavfi", "-i", graph]);
/** Half red, half blue, side by side. */
const halves = (size, seconds) => {
  const half = (colour) => `color=${colour}:s=${size[0] / 2}x${size[1]}:r=15:d=${seconds}`;
  return `${half("red")}[a];${half("blue")}[b];[a][b]hstack`;
};
const tone = (seconds) => `sine=frequency=440:duration=${seconds}:sample_rate=48000`;

const FILES = {
  /** Filmed with the phone held upright: the sensor's left is the top. */
  "holiday.mov": (path) => {
    const film = lavfi(halves([WIDTH, HEIGHT], SECONDS), tone(SECONDS));
    ffmpeg(...film, "-c:v", "mjpeg", "-q:v", "3", "-c:a", "pcm_s16le", "-f", "mov", path);
    writeFileSync(path, turned(readFileSync(path)));
  },
  "old.mkv": (path) => {
    const film = lavfi(`testsrc2=size=${WIDTH}x${HEIGHT}:rate=25:duration=${SECONDS}`, tone(SECONDS));
    ffmpeg(...film, "-c:v", "mpeg2video", "-c:a", "ac3", "-f", "matroska", path);
  },
  /** Longer than the tests' server lets a film be. */
  "long.mkv": (path) => {
    ffmpeg(...lavfi(`testsrc2=size=64x48:rate=5:duration=5`), "-c:v", "mpeg4", "-f", "matroska", path);
  },
  "garden.png": (path) => {
    ffmpeg(...lavfi(halves([400, 300], 1)), "-frames:v", "1", "-c:v", "png", "-f", "image2", path);
  },
  /** More than half a megabyte of a film that can't be made smaller by guessing. */
  "large.mkv": (path) => {
    const noise = `nullsrc=size=${WIDTH}x${HEIGHT}:rate=10:duration=1,geq=random(1)*255:128:128`;
    ffmpeg(...lavfi(noise), "-c:v", "mjpeg", "-q:v", "2", "-f", "matroska", path);
  },
  "page.html": (path) => {
    writeFileSync(path, "<!doctype html><title>ran</title><script>localStorage.ran = 'html'; document.title = 'it ran'</script>");
  },
  "drawing.svg": (path) => {
    const script = "<script>localStorage.ran = 'svg'; document.documentElement.setAttribute('data-ran', 'yes')</script>";
    writeFileSync(path, `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${script}</svg>`);
  },
};

/** A film with the note that it is to be shown a quarter turned, as phones write it (QuickTime, `tkhd`). */
function turned(mov) {
  const at = mov.indexOf("tkhd") + 44;
  const matrix = [0, 0x10000, 0, -0x10000, 0, 0, HEIGHT << 16, 0, 0x40000000];
  matrix.forEach((value, i) => mov.writeInt32BE(value, at + 4 * i));
  return mov;
}

/** Paths of the files, by name. */
export const films = makeFilms(join(dirname(fileURLToPath(import.meta.url)), "../../.cache/fixtures/films-v1"));
