// What the app says about files: how large, how long, and why one was refused. Nothing here knows the page.

import { TertuliaError, type Media, type MediaClass } from "@tertulia/sdk";
import { clock, sayError } from "./words.js";

const UNITS = ["bytes", "KB", "MB", "GB"];

/** `812 KB`, `23.4 MB`. A MB is what the server's limits are made of: 1024 × 1024. */
export function sayBytes(bytes: number): string {
  let unit = 0;
  let n = bytes;
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024;
    unit += 1;
  }
  if (unit === 0) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return `${n >= 100 ? Math.round(n) : Number(n.toFixed(1))} ${UNITS[unit]}`;
}

/** `3 minutes`, `1:30 minutes`, `2:05:00 hours`, `45 seconds`. */
export function sayLength(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 60) return seconds === 1 ? "1 second" : `${seconds} seconds`;
  if (seconds % 3600 === 0) return seconds === 3600 ? "1 hour" : `${seconds / 3600} hours`;
  if (seconds > 3600) return `${clock(seconds * 1000)} hours`;
  if (seconds % 60 === 0) return seconds === 60 ? "1 minute" : `${seconds / 60} minutes`;
  return `${clock(seconds * 1000)} minutes`;
}

function sayPixels(pixels: number): string {
  const millions = pixels / 1_000_000;
  return `${millions >= 10 ? Math.round(millions) : Number(millions.toFixed(1))} million`;
}

/** The figure, and the limit; where both read the same, that it is more. */
function figures(error: TertuliaError, say: (n: number) => string, has: (actual: string) => string): string {
  const { limit, actual } = error;
  if (limit === undefined) return "";
  const most = say(limit);
  if (actual === undefined) return `: the most is ${most}`;
  const is = say(actual);
  return `: ${has(is === most ? `a little more than ${most}` : is)}, the most is ${most}`;
}

/**
 * Why a file was refused, with the limit and what it has instead. The server stops at the limit: what it has read is the least
 * that there is, unless one knows the file oneself.
 */
export function sayRefusal(error: TertuliaError, name: string | undefined, bytes?: number): string {
  const it = name ? `“${name}”` : "The file";
  switch (error.code) {
    case "media_too_large":
      return `${it} is too large${figures(withActual(error, bytes), sayBytes, (n) => `it has ${n}`)}`;
    case "media_too_long":
      return `${it} is too long${figures(error, sayLength, (n) => `it lasts at least ${n}`)}`;
    case "media_too_many_pixels":
      return `${it} has too many pixels${figures(error, sayPixels, (n) => `it has ${n}`)}`;
    case "media_too_complex":
      return `${it} is too complicated to be opened safely`;
    case "media_quota":
      return `Your storage is full${figures(error, sayBytes, (n) => `with this it would be ${n}`)}. Delete something first`;
    case "media_unsupported":
      return `${it} is of a kind that can’t be played here`;
    case "media_damaged":
      return `${it} is damaged`;
    case "media_empty":
      return `There is nothing in ${name ? it : "the file"}`;
    case "media_encrypted":
      return `${it} is copy-protected`;
    case "media_external":
      return `${it} refers to other files, which is not allowed`;
    case "media_cancelled":
      return `${it} was taken back`;
    case "media_timed_out":
    case "media_out_of_memory":
    case "media_worker_crashed":
      return `${it} could not be opened safely`;
    case "media_sandbox_unavailable":
      return "This server takes no uploads at the moment";
    case "media_opened":
      return "This was opened already. It can be looked at once only";
    case "media_not_ready":
      return "This is not ready yet. Try again in a moment";
    case "media_busy":
      return "The server has its hands full. Try again in a moment";
    case "rate_limited":
      return "You have sent many files in a short time. Wait a while, then try again";
    case "file_unreadable":
      return `${it} can’t be read any more. Was it moved or changed? Choose it again`;
    case "unreachable":
      return `${it} could not be sent: the server can’t be reached. Are you online?`;
    default:
      return sayError(error, "");
  }
}

function withActual(error: TertuliaError, actual: number | undefined): TertuliaError {
  return actual === undefined ? error : new TertuliaError({ ...error.body, actual });
}

/** Whether sending it as a document would help: it is then left as it is, and only has to be small enough. */
export function helpsAsDocument(error: TertuliaError, bytes: number, most: number): boolean {
  const codes = ["media_too_large", "media_too_long", "media_too_many_pixels", "media_too_complex", "media_unsupported"];
  const more = ["media_damaged", "media_encrypted", "media_external", "media_timed_out", "media_out_of_memory"];
  return bytes <= most && [...codes, ...more].includes(error.code);
}

const NAMES: Record<MediaClass, string> = {
  video: "Video",
  image: "Picture",
  audio: "Sound",
  voice: "Voice note",
  document: "Document",
  sealed: "Sealed file",
};

export function nameOf({ class: klass, file_name: name }: Pick<Media, "class" | "file_name">): string {
  return name ?? NAMES[klass];
}

/** `Video · 0:14 · 2.3 MB`. */
export function about({ class: klass, file_name: name, duration_ms: ms, bytes }: Media): string {
  const parts = [sayBytes(bytes)];
  if (ms !== undefined) parts.unshift(clock(Math.round(ms / 1000) * 1000));
  if (name) parts.unshift(NAMES[klass]);
  return parts.join(" · ");
}
