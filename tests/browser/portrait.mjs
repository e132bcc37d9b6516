// Takes docs/call.png, the README's picture of a running call: `node portrait.mjs`. A real call, of two drawn people.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { goInside, isInside, plugIn } from "./network.mjs";

if (!isInside()) await goInside();
plugIn();

const PICTURE = join(dirname(fileURLToPath(import.meta.url)), "../../docs/call.png");
const LOOKS = {
  Alice: { wall: "#2b4a5e", light: "#4a7a8c", shirt: "#d98c5f", skin: "#e8b996", hair: "#3b2a23", long: true },
  Bob: { wall: "#5b4a3f", light: "#8a7360", shirt: "#3f6b57", skin: "#b98361", hair: "#1d1a1a", long: false },
};

/** Runs in the page before it: the camera shows a drawn person who nods a little. */
function sitBefore(look) {
  const draw = (c, w, h, t) => {
    const room = c.createRadialGradient(w * 0.25, h * 0.2, 50, w * 0.4, h * 0.5, w * 0.8);
    room.addColorStop(0, look.light);
    room.addColorStop(1, look.wall);
    c.fillStyle = room;
    c.fillRect(0, 0, w, h);
    c.fillStyle = "rgba(255,255,255,.12)"; // a shelf with books
    c.fillRect(w * 0.72, h * 0.34, w * 0.24, 8);
    for (let i = 0; i < 6; i += 1) c.fillRect(w * (0.74 + i * 0.03), h * 0.34 - 70 - (i % 3) * 14, 24, 70 + (i % 3) * 14);
    const [x, y] = [w / 2 + Math.sin(t) * 6, h * 0.42 + Math.sin(t * 1.7) * 4];
    const oval = (cx, cy, rx, ry, fill) => {
      c.fillStyle = fill;
      c.beginPath();
      c.ellipse(cx, cy, rx, ry, 0, 0, 2 * Math.PI);
      c.fill();
    };
    if (look.long) oval(x, y + 50, 142, 205, look.hair);
    oval(w / 2, h * 1.1, 300, 330, look.shirt);
    c.fillStyle = look.skin;
    c.fillRect(x - 42, y + 90, 84, 80);
    oval(x, y + 168, 66, 40, look.skin);
    oval(x, y, 112, 142, look.skin);
    c.fillStyle = look.hair; // the hair's edge
    c.beginPath();
    c.ellipse(x, y - 62, 122, 96, 0, Math.PI * 0.98, Math.PI * 2.02);
    c.quadraticCurveTo(x + 30, y - 70, x - 118, y - 56);
    c.fill();
    for (const side of [-1, 1]) {
      oval(x + side * 42, y - 4, 9, Math.sin(t * 3) > 0.97 ? 2 : 11, "#2a1f1b");
      c.strokeStyle = look.hair;
      c.lineWidth = 6;
      c.beginPath();
      c.arc(x + side * 42, y - 6, 26, Math.PI * 1.25, Math.PI * 1.75);
      c.stroke();
    }
    c.strokeStyle = "#8f4a3c";
    c.lineWidth = 7;
    c.lineCap = "round";
    c.beginPath();
    c.arc(x, y + 34, 40, Math.PI * 0.2, Math.PI * 0.8);
    c.stroke();
  };
  navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
    const stream = new MediaStream();
    if (video) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [1280, 720];
      const context = canvas.getContext("2d");
      const start = performance.now();
      setInterval(() => draw(context, 1280, 720, (performance.now() - start) / 1000), 50);
      for (const track of canvas.captureStream(20).getTracks()) stream.addTrack(track);
    }
    if (audio) {
      const sound = new AudioContext();
      const quiet = sound.createMediaStreamDestination();
      for (const track of quiet.stream.getTracks()) stream.addTrack(track);
    }
    return stream;
  };
}

const { World, closeAll } = await import("./harness.mjs");
const { pause } = await import("./until.mjs");
const world = new World("portrait", "", {});
try {
  const [alice, bob] = await world.signedIn(
    ...Object.entries(LOOKS).map(([name, look], i) => [
      name,
      i ? "right" : "left",
      { before: `(${sitBefore})(${JSON.stringify(look)})` },
    ]),
  );
  await alice.calls(bob, "video");
  await bob.accepts();
  await Promise.all([alice.isInCall(), bob.isInCall()]);
  await Promise.all([alice.framesAdvance(150), bob.framesAdvance(150)]); // until the estimate allows the full picture
  await pause(1_000); // messages fade
  await alice.shot(PICTURE);
  console.log(PICTURE);
} catch (error) {
  await world.report();
  throw error;
} finally {
  await world.close();
  await closeAll();
}
