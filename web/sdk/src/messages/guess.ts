// What a file seems to be, for as long as the server has not looked: by what it calls itself.

import type { Content, MediaClass, MediaTreatment, SharedFile } from "../proto.js";

interface Guess {
  as: MediaTreatment;
  once: boolean;
  fileName?: string;
  durationMs?: number;
}

/** What a message shows until its file is there. It names none yet. */
export function guessed(file: Blob, { as, once, fileName, durationMs }: Guess, caption: string | undefined): Content {
  const klass = classOf(file.type, as);
  const told: SharedFile = {
    class: klass,
    mime: file.type,
    bytes: file.size,
    ...(fileName !== undefined && (klass === "document" || klass === "audio") && { file_name: fileName }),
    ...(durationMs !== undefined && { duration_ms: durationMs }),
    ...(once && { once }),
  };
  if (klass === "voice") return { type: "voice", media_id: "", file: told };
  return { type: "media", media_id: "", file: told, ...(caption !== undefined && { caption }) };
}

function classOf(type: string, as: MediaTreatment): MediaClass {
  if (as !== "auto") return as;
  const kind = /^(image|video|audio)\//.exec(type)?.[1] as MediaClass | undefined;
  // What is drawn by a program is a file to the server.
  return kind === undefined || type.startsWith("image/svg") ? "document" : kind;
}
