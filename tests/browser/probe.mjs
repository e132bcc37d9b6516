// The eyes and ears of a test inside a page: what a video shows, what a stream sounds like, and when.
//
// `install` runs in the page and may use nothing from this module but its argument.

import { BEEP_HZ, CELLS, FLASH, HEIGHT, SWATCH, WIDTH } from "./fixtures.mjs";

export const GEOMETRY = { WIDTH, HEIGHT, CELLS, FLASH, SWATCH, BEEP_HZ };

export function install({ WIDTH, HEIGHT, CELLS, FLASH, SWATCH, BEEP_HZ }) {
  if (window.probe) return;
  const canvas = new OffscreenCanvas(WIDTH / 2, HEIGHT / 2);
  const context = canvas.getContext("2d", { willReadFrequently: true });

  /** The mean colour of a box of the picture, without its blurred edge. */
  const mean = ({ x, y, width, height }) => {
    const inset = 4;
    const box = [x / 2 + inset, y / 2 + inset, width / 2 - 2 * inset, height / 2 - 2 * inset].map(Math.round);
    const { data } = context.getImageData(...box);
    const sum = [0, 0, 0];
    for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c += 1) sum[c] += data[i + c];
    return sum.map((s) => s / (data.length / 4));
  };
  const grey = (box) => mean(box).reduce((a, b) => a + b) / 3;

  /** What a video element shows now; `counter` is undefined where the cells are not to be read. */
  const look = (video) => {
    if (!video?.videoWidth) return undefined;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const cells = Array.from({ length: CELLS.count }, (_, i) => {
      return grey({ x: CELLS.x + i * (CELLS.size + CELLS.gap), y: CELLS.y, width: CELLS.size, height: CELLS.size });
    });
    const bits = cells.map((level) => (level > 120 ? 1 : 0));
    const parity = bits.pop();
    const whole = bits.reduce((a, b) => a ^ b, 0) === parity;
    return {
      width: video.videoWidth,
      height: video.videoHeight,
      counter: whole ? bits.reduce((value, bit) => value * 2 + bit, 0) : undefined,
      swatch: mean(SWATCH).map(Math.round),
      flash: Math.round(grey(FLASH)),
    };
  };

  const listening = new AudioContext();
  /** What a stream sounds like over some time: how loud, and which frequency is the strongest. */
  const hear = async (stream, ms) => {
    if (!stream?.getAudioTracks().length) return { rms: 0, hz: 0 };
    await listening.resume();
    const source = listening.createMediaStreamSource(stream);
    const analyser = listening.createAnalyser();
    analyser.fftSize = 8192;
    analyser.smoothingTimeConstant = 0;
    source.connect(analyser);
    const spectrum = new Float32Array(analyser.frequencyBinCount);
    const total = new Float64Array(analyser.frequencyBinCount);
    const samples = new Float32Array(2048);
    let energy = 0;
    let polls = 0;
    const end = performance.now() + ms;
    const settle = performance.now() + Math.min(300, ms / 3); // the analyser's window fills first
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 40));
      if (performance.now() < settle) continue;
      analyser.getFloatFrequencyData(spectrum);
      spectrum.forEach((db, bin) => (total[bin] += 10 ** (db / 20)));
      analyser.getFloatTimeDomainData(samples);
      energy += samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      polls += 1;
    }
    source.disconnect();
    const strongest = total.reduce((best, level, bin) => (bin > 3 && level > total[best] ? bin : best), 4);
    return { rms: Math.sqrt(energy / Math.max(1, polls)), hz: (strongest * listening.sampleRate) / analyser.fftSize };
  };

  /** When the flash and the beep came, as levels over time on one clock (performance.now). */
  const flashesAndBeeps = async (video, stream, ms) => {
    await listening.resume();
    const flashes = [];
    const beeps = [];
    let on = true;
    const watch = (_now, frame) => {
      if (!on) return;
      flashes.push([frame.expectedDisplayTime, look(video)?.flash ?? 0]);
      video.requestVideoFrameCallback(watch);
    };
    video.requestVideoFrameCallback(watch);

    const source = listening.createMediaStreamSource(stream);
    const tap = listening.createScriptProcessor(256, 1, 1);
    let clock = Infinity; // from the audio clock to ours: the least delayed callback tells best
    tap.onaudioprocess = ({ inputBuffer, playbackTime }) => {
      clock = Math.min(clock, performance.now() - playbackTime * 1000);
      beeps.push([playbackTime * 1000, goertzel(inputBuffer.getChannelData(0), inputBuffer.sampleRate)]);
    };
    source.connect(tap).connect(listening.destination);
    await new Promise((resolve) => setTimeout(resolve, ms));
    on = false;
    source.disconnect();
    tap.disconnect();
    return { flashes, beeps: beeps.map(([t, level]) => [t + clock, level]) };
  };
  const goertzel = (samples, rate) => {
    const w = (2 * Math.PI * BEEP_HZ) / rate;
    let [a, b] = [0, 0];
    for (let i = 0; i < samples.length; i += 1) {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples.length);
      [a, b] = [hann * samples[i] + 2 * Math.cos(w) * a - b, a];
    }
    return Math.sqrt(a * a + b * b - 2 * Math.cos(w) * a * b) / samples.length;
  };

  const element = (testId) => document.querySelector(`[data-testid="${testId}"]`);
  /** A video element of our own for a track that the page does not show. */
  const screenFor = async (track) => {
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    await video.play();
    return video;
  };
  const pc = () => window.tertulia?.call?.pc;
  const sent = (kind) => pc()?.getSenders().find(({ track }) => track?.kind === kind)?.track;

  /** When sound was played and pictures were shown, on the machine's clock: what a listener notices, not what arrives. */
  const arrivals = { audio: [], video: [] };
  const watch = () => {
    let heard;
    let seen;
    const note = (kind) => {
      const times = arrivals[kind];
      times.push(Date.now());
      if (times.length > 20_000) times.splice(0, 10_000);
    };
    setInterval(() => {
      for (const receiver of pc()?.getReceivers() ?? []) {
        if (receiver.track.kind !== "audio") continue;
        const [source] = receiver.getSynchronizationSources();
        const now = source && `${source.source} ${source.rtpTimestamp}`;
        if (now && now !== heard) {
          heard = now;
          note("audio");
        }
      }
      const video = element("remote-video");
      if (!video || video === seen) return;
      seen = video;
      const frame = () => {
        note("video");
        if (video === seen) video.requestVideoFrameCallback(frame);
      };
      video.requestVideoFrameCallback(frame);
    }, 20);
  };

  window.probe = {
    watch: () => {
      if (arrivals.watched) return;
      arrivals.watched = true;
      watch();
    },
    arrivals: (kind, since) => arrivals[kind].filter((time) => time >= since),
    look: (testId) => look(element(testId)),
    hear: (testId, ms) => hear(element(testId).srcObject, ms),
    hearTrack: (track, ms) => hear(new MediaStream([track]), ms),
    lookTrack: async (track) => {
      const video = await screenFor(track);
      await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
      return look(video);
    },
    received: (ms) => flashesAndBeeps(element("remote-video"), element("remote-audio").srcObject, ms),
    async sent(ms) {
      const video = await screenFor(sent("video"));
      return flashesAndBeeps(video, new MediaStream([sent("audio")]), ms);
    },
    /** The reports of one kind and direction that carry anything. */
    async stats(type, kind) {
      const reports = [...((await pc()?.getStats()) ?? new Map()).values()];
      return reports.filter((report) => report.type === type && (!kind || report.kind === kind));
    },
    /** The codecs of the video that arrives. */
    async videoCodecs() {
      const reports = await pc().getStats();
      return [...reports.values()]
        .filter((r) => r.type === "inbound-rtp" && r.kind === "video" && r.framesDecoded > 0)
        .map((r) => reports.get(r.codecId)?.mimeType);
    },
  };
}

/** How late the beeps are after their flashes, in milliseconds: the median over all of them. */
export function lateness({ flashes, beeps }) {
  const lights = onsets(flashes);
  const sounds = onsets(beeps);
  const gaps = lights
    .map((light) => sounds.map((sound) => sound - light).sort((a, b) => Math.abs(a) - Math.abs(b))[0])
    .filter((gap) => gap !== undefined && Math.abs(gap) < 500)
    .sort((a, b) => a - b);
  if (gaps.length < 3) throw new Error(`only ${gaps.length} pairs of ${lights.length} flashes and ${sounds.length} beeps`);
  return gaps[Math.floor(gaps.length / 2)];
}

/** A pause that nobody notices: packets come every 20 ms, and are played when there is time. */
const UNNOTICED_MS = 200;

/**
 * The longest gap between `times` that ends after `since`: how long it was, and how long after `since` it ended; 0 if nobody
 * notices it.
 */
export function longestGap(times, since) {
  let found = { gap: 0, back: 0 };
  for (let i = 1; i < times.length; i += 1) {
    const gap = times[i] - times[i - 1];
    if (times[i] >= since && gap > found.gap) found = { gap, back: gap > UNNOTICED_MS ? times[i] - since : 0 };
  }
  return found;
}

/** When a level rises through half of its maximum, after it has been low for a while. */
function onsets(levels) {
  const half = Math.max(...levels.map(([, level]) => level)) / 2;
  const found = [];
  let lowSince;
  for (const [t, level] of levels) {
    if (level < half) lowSince ??= t;
    else {
      if (lowSince !== undefined && t - lowSince > 300) found.push(t);
      lowSince = undefined;
    }
  }
  return found;
}
