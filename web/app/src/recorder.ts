// Records a voice note from the microphone.
//
// Invariant: the microphone is closed as soon as nothing is recorded any more, however that came about.

import { MediaProblem } from "@tertulia/sdk";

/** The first that the browser writes: Chromium and Firefox, Firefox before, Safari. */
const KINDS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
/** Of the browser's, in bit/s. The server makes it smaller anyway; more keeps more of the voice until then. */
const BITRATE = 64_000;
const LEVELS_EVERY_MS = 60;

export class Recorder {
  readonly startedAt = performance.now();
  /** Loudness as it goes, 0 to 1: the last ones. */
  readonly levels: number[] = [];
  readonly #recorder: MediaRecorder;
  readonly #stream: MediaStream;
  readonly #parts: Blob[] = [];
  readonly #listening = new AudioContext();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #done: Promise<void>;

  private constructor(stream: MediaStream) {
    this.#stream = stream;
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    this.#recorder = new MediaRecorder(stream, { ...(mimeType && { mimeType }), audioBitsPerSecond: BITRATE });
    this.#recorder.ondataavailable = ({ data }) => this.#parts.push(data);
    this.#done = new Promise((resolve) => {
      this.#recorder.onstop = () => {
        this.#close();
        resolve();
      };
    });
    const analyser = this.#listening.createAnalyser();
    analyser.fftSize = 1024;
    this.#listening.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const rms = Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
      this.levels.push(Math.min(1, rms * 4));
      if (this.levels.length > 64) this.levels.shift();
    }, LEVELS_EVERY_MS);
    // Said now and then: a page that is closed loses no more than it must, and none of it lies in one place.
    this.#recorder.start(1_000);
  }

  /** Rejects with `MediaProblem`. */
  static async start(microphone?: string): Promise<Recorder> {
    if (!navigator.mediaDevices) throw new MediaProblem("mic", "insecure");
    try {
      const audio = microphone ? { deviceId: { ideal: microphone } } : true;
      return new Recorder(await navigator.mediaDevices.getUserMedia({ audio }));
    } catch (error) {
      const name = error instanceof DOMException ? error.name : "";
      if (name === "NotAllowedError") throw new MediaProblem("mic", "denied");
      if (name === "NotFoundError" || name === "OverconstrainedError") throw new MediaProblem("mic", "missing");
      throw new MediaProblem("mic", name === "NotReadableError" ? "busy" : "failed");
    }
  }

  get ms(): number {
    return performance.now() - this.startedAt;
  }

  /** What was said. */
  async stop(): Promise<Blob> {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    await this.#done;
    return new Blob(this.#parts, { type: this.#recorder.mimeType.split(";")[0] ?? "" });
  }

  discard(): void {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    this.#close();
  }

  #close(): void {
    clearInterval(this.#timer);
    for (const track of this.#stream.getTracks()) track.stop();
    if (this.#listening.state !== "closed") void this.#listening.close();
  }
}
