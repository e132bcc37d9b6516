// Uploads that outlive the network: as much of tus 1.0 (https://tus.io/protocols/resumable-upload) as our server needs.
//
// Invariant: where an upload stands is the server's to say. After anything but a clean answer it is asked.

import { Backoff } from "./backoff.js";
import { TertuliaError } from "./errors.js";
import { refusal, sleep, withToken, type Bearer } from "./http.js";
import { onNetworkChange } from "./network.js";
import { send, type Answer } from "./send.js";

/** Bytes of one request. Larger ones cost fewer of them; smaller ones pass proxies that limit or gather bodies. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** Without a single byte of progress for this long an upload is given up. It may be resumed later. */
const GIVE_UP_MS = 5 * 60_000;
/** Raising the second slows recovery; the third is the most that one waits for a network that is back unannounced. */
const RETRY = { atOnceMs: 200, firstMs: 500, maxMs: 8_000, urgentMaxMs: 8_000 };
const BYTES = "application/offset+octet-stream";

export interface TusJob {
  server: string;
  bearer: Bearer;
  headers: Record<string, string>;
  file: Blob;
  /** `Upload-Metadata`. */
  metadata: Record<string, string>;
  /** An upload that was begun earlier. */
  resumeAt?: string | undefined;
  signal?: AbortSignal | undefined;
  progress: (sent: number) => void;
  /** It is at this place now, and can be resumed from there. */
  began: (location: string) => void;
}

interface Standing {
  offset: number;
  /** All is there, and this has become of it. */
  media: string | undefined;
}

/** Sends it, however often the network breaks; resolves to the id of what has become of it. */
export async function sendByTus(job: TusJob): Promise<string> {
  const backoff = new Backoff(RETRY);
  let location = job.resumeAt;
  let standing: Standing | undefined;
  /** The most that the server has said to have. What has left here may have been lost. */
  let most = -1;
  let failingSince: number | undefined;
  let startedOver = false;
  const stands = (now: Standing) => {
    if (now.offset > most) {
      most = now.offset;
      failingSince = undefined;
      backoff.reset();
    }
    return now;
  };
  for (;;) {
    try {
      if (location === undefined) {
        location = await create(job);
        standing = stands({ offset: 0, media: undefined });
        job.began(location);
      }
      standing ??= stands(await standingOf(job, location));
      while (standing.media === undefined) {
        job.progress(standing.offset);
        standing = stands(await sendPiece(job, location, standing.offset));
      }
      job.progress(job.file.size);
      return standing.media;
    } catch (error) {
      if (job.signal?.aborted) throw job.signal.reason;
      if (!(error instanceof TertuliaError)) throw error;
      standing = undefined;
      if (error.code === "not_found" && location !== undefined && !startedOver) {
        // It has expired, or the server was set up anew.
        startedOver = true;
        location = undefined;
        most = -1;
        continue;
      }
      failingSince ??= Date.now();
      if (!canGoOn(error) || Date.now() - failingSince > GIVE_UP_MS) throw error;
      await pause(Math.max(error.retryAfterMs ?? 0, backoff.next()), job.signal);
    }
  }
}

/** Takes an upload back. */
export async function endTus(server: string, bearer: Bearer, location: string): Promise<void> {
  await ask({ server, bearer, headers: {}, signal: undefined }, "DELETE", location);
}

function canGoOn(error: TertuliaError): boolean {
  return error.class.startsWith("retry") || error.class === "resync";
}

async function create(job: TusJob): Promise<string> {
  const headers: Record<string, string> = { "upload-length": String(job.file.size) };
  const pairs = Object.entries(job.metadata).map(([key, value]) => `${key} ${base64(value)}`);
  if (pairs.length > 0) headers["upload-metadata"] = pairs.join(",");
  const answer = await ask(job, "POST", "/v1/media/tus", headers);
  const location = answer.header("location");
  if (location === null) throw TertuliaError.local("unreachable");
  return location;
}

async function standingOf(job: TusJob, location: string): Promise<Standing> {
  return standingIn(await ask(job, "HEAD", location));
}

async function sendPiece(job: TusJob, location: string, offset: number): Promise<Standing> {
  const piece = job.file.slice(offset, offset + PIECE_BYTES);
  const headers = { "content-type": BYTES, "upload-offset": String(offset) };
  const progress = (sent: number) => job.progress(Math.min(offset + sent, job.file.size));
  const standing = standingIn(await ask(job, "PATCH", location, headers, piece, progress));
  // Nothing was taken, and there is no word on what it is: that is no answer of ours.
  if (standing.offset <= offset && standing.media === undefined) throw TertuliaError.local("unreachable");
  return standing;
}

function standingIn(answer: Answer): Standing {
  const offset = Number(answer.header("upload-offset") ?? Number.NaN);
  if (!Number.isSafeInteger(offset) || offset < 0) throw TertuliaError.local("unreachable");
  return { offset, media: answer.header("tertulia-media-id") ?? undefined };
}

function ask(
  job: Pick<TusJob, "server" | "bearer" | "headers" | "signal">,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Blob,
  progress?: (sent: number) => void,
): Promise<Answer> {
  return withToken(job.bearer, async (token) => {
    const answer = await send({
      method,
      url: new URL(path, job.server),
      headers: { ...job.headers, ...headers, "tus-resumable": "1.0.0", authorization: `Bearer ${token}` },
      signal: job.signal,
      ...(body && { body }),
      ...(progress && { progress }),
    });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw refusal(answer.status, answer.body);
  });
}

/** Waits, or until the network has changed: then the next try is worth it at once. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const stop = new AbortController();
  const aborted = () => stop.abort();
  signal?.addEventListener("abort", aborted);
  const off = onNetworkChange((changed) => changed && stop.abort());
  try {
    await sleep(ms, stop.signal);
  } catch {
    signal?.throwIfAborted();
  } finally {
    off();
    signal?.removeEventListener("abort", aborted);
  }
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
