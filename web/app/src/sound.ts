// The sounds of ringing, made on the spot: soft, low in volume, and silent where the browser wants a gesture first.

/** Notes in hertz, and how long the pattern lasts before it comes again. */
interface Pattern {
  notes: { hz: number; at: number; for: number }[];
  everyS: number;
  gain: number;
}

/** Someone calls: four notes of a marimba, twice as calm as a telephone. */
const RING: Pattern = {
  notes: [
    { hz: 587.3, at: 0, for: 0.5 },
    { hz: 740, at: 0.18, for: 0.5 },
    { hz: 880, at: 0.36, for: 0.5 },
    { hz: 740, at: 0.72, for: 0.7 },
  ],
  everyS: 2.6,
  gain: 0.16,
};

/** It rings on the other side. */
const RINGBACK: Pattern = { notes: [{ hz: 425, at: 0, for: 1 }], everyS: 4, gain: 0.05 };

/** Someone calls while one is talking: two soft notes, seldom. */
const WAITING: Pattern = {
  notes: [
    { hz: 880, at: 0, for: 0.25 },
    { hz: 740, at: 0.22, for: 0.35 },
  ],
  everyS: 4,
  gain: 0.05,
};

/** Someone waits to be let in: as knuckles on a wooden door. */
const KNOCK: Pattern = {
  notes: [
    { hz: 349.2, at: 0, for: 0.12 },
    { hz: 329.6, at: 0.17, for: 0.16 },
  ],
  everyS: 1,
  gain: 0.2,
};

const PATTERNS = { ring: RING, ringback: RINGBACK, waiting: WAITING };
type Sound = keyof typeof PATTERNS;

let audio: AudioContext | undefined;
let timer: ReturnType<typeof setInterval> | undefined;
let playing: Sound | undefined;

/** Plays one of them, or none. */
export function play(what: Sound | undefined): void {
  if (what === playing) return;
  playing = what;
  clearInterval(timer);
  timer = undefined;
  if (!what) {
    // What is scheduled must fall silent at once.
    void audio?.close();
    audio = undefined;
    return;
  }
  const pattern = PATTERNS[what];
  const once = () => {
    audio ??= newAudio();
    if (audio) strike(audio, pattern, what !== "ringback");
  };
  once();
  timer = setInterval(once, pattern.everyS * 1000);
}

/** Somebody has come to the door. Once, whatever else sounds. */
export function playKnock(): void {
  const own = newAudio();
  if (!own) return;
  strike(own, KNOCK, true);
  setTimeout(() => void own.close(), KNOCK.everyS * 1000);
}

/** None before the first click: browsers let nothing sound, and what is scheduled then would pile up. */
function newAudio(): AudioContext | undefined {
  if (navigator.userActivation && !navigator.userActivation.hasBeenActive) return undefined;
  return new AudioContext();
}

function strike(audio: AudioContext, pattern: Pattern, fades: boolean): void {
  for (const note of pattern.notes) {
    const start = audio.currentTime + note.at;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = note.hz;
    tone.type = "sine";
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(pattern.gain, start + 0.02);
    if (fades) volume.gain.exponentialRampToValueAtTime(0.001, start + note.for);
    else volume.gain.setValueAtTime(pattern.gain, start + note.for - 0.03);
    volume.gain.linearRampToValueAtTime(0, start + note.for + 0.02);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + note.for + 0.05);
  }
}
