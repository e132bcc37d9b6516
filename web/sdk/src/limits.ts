// What the server would refuse anyway is not sent: the same error, before the first byte.

import { TertuliaError } from "./errors.js";
import { ERROR_CLASSES, ERROR_SENTENCES, type ErrorCode, type MediaTreatment, type UploadLimits } from "./proto.js";

/** Pictures that are opened. What becomes of others, SVG among them, only the server can tell. */
const PICTURES = /^image\/(jpeg|png|gif|webp|heic|heif|avif|bmp|tiff)$/;
/** By their names TypeScript sources are MPEG transport streams: what it is only the server can tell. */
const VIDEOS = /^video\/(?!mp2t)/;
const SOUNDS = /^audio\/(?!midi|x-midi)/;

/** Bytes that a file of this type may have. A file may lie about its type: the server looks at what it is. */
export function bytesMax(type: string, as: MediaTreatment, limits: UploadLimits): number {
  if (as === "voice") return limits.audio_bytes_max;
  if (as !== "auto") return limits.file_bytes_max;
  if (VIDEOS.test(type)) return limits.video_bytes_max;
  if (SOUNDS.test(type)) return limits.audio_bytes_max;
  return PICTURES.test(type) ? limits.image_bytes_max : limits.file_bytes_max;
}

/** Throws what the server would: `media_empty`, `media_too_large` with the limit and the actual figure. */
export function checkLimits(file: Blob, as: MediaTreatment, limits: UploadLimits): void {
  if (file.size === 0) throw TertuliaError.of("media_empty");
  const limit = bytesMax(file.type, as, limits);
  if (file.size > limit) throw over("media_too_large", limit, file.size);
}

function over(code: ErrorCode, limit: number, actual: number): TertuliaError {
  return new TertuliaError({ code, class: ERROR_CLASSES[code], message: ERROR_SENTENCES[code], limit, actual });
}
