// What the app says of files in messages: in a list, and to those who can't see them.

import type { Content, MediaClass, SharedFile, UploadProgress } from "@tertulia/sdk";
import { sayBytes } from "./words-media.js";
import { clock } from "./words.js";

type Carrying = Extract<Content, { type: "media" | "voice" }>;

const NAMES: Record<MediaClass, string> = {
  image: "Photo",
  video: "Video",
  audio: "Sound",
  voice: "Voice message",
  document: "Document",
  sealed: "Sealed file",
};

/** Whether a message carries a file. */
export function isCarrying(content: Content): content is Carrying {
  return content.type === "media" || content.type === "voice";
}

/** `Photo`, `Voice message 0:12`, `Lease.pdf`. */
export function nameOfCarried(content: Carrying): string {
  const { file } = content;
  if (!file) return content.type === "voice" ? NAMES.voice : "File";
  const length = file.duration_ms === undefined || file.class === "video" ? "" : ` ${lengthOf(file)}`;
  return file.file_name ?? `${NAMES[file.class]}${length}`;
}

/** What a list shows of it: what it is, and its words. */
export function sayCarried(content: Carrying): string {
  const once = content.file?.once ? " for one look" : "";
  const name = `${nameOfCarried(content)}${once}`;
  const caption = content.type === "media" ? content.caption?.trim().replace(/\s+/g, " ") : undefined;
  return caption ? `${name}: ${caption}` : name;
}

/** `0:12`. */
export function lengthOf({ duration_ms: ms = 0 }: Pick<SharedFile, "duration_ms">): string {
  return clock(Math.max(1_000, Math.round(ms / 1000) * 1000));
}

/** `PDF · 812 KB`. */
export function aboutPaper({ file_name: name, bytes }: Pick<SharedFile, "file_name" | "bytes">): string {
  const kind = /\.(\w{1,5})$/.exec(name ?? "")?.[1]?.toUpperCase();
  return kind ? `${kind} · ${sayBytes(bytes)}` : sayBytes(bytes);
}

/** It was taken back, or has gone. */
export function sayGone(content: Carrying): string {
  const name = content.file ? NAMES[content.file.class].toLowerCase() : "file";
  return `This ${name} is not here any more`;
}

/** How far it is, for those who can't see the ring. */
export function sayUpload({ stage, done }: UploadProgress): string {
  if (stage === "processing") return "Sent, being made playable";
  return stage === "waiting" ? "Waits to be sent" : `${Math.round(done * 100)} % sent`;
}
