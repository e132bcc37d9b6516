// What a camera and a screen are coded as: one picture, three sizes of it at once (simulcast by RID, RFC 8853), or one stream of layers
// that build on each other (SVC), and which of those are worth sending when the others show them so small, or not at all.
//
// Invariant: what nobody shows is not coded. The smallest size is there as long as anybody shows anything.

/** What a camera may use. A talking head at 720p gains little above this. */
const CAMERA_BPS_MAX = 1_800_000;
/** What a shared screen may use: text needs bits when it scrolls. */
const SCREEN_BPS_MAX = 2_500_000;
/**
 * The three sizes, the smallest first. Their bitrates are what a talking head needs at 180, 360 and 720 lines; more of the smaller
 * ones takes from the large one, less makes thumbnails muddy.
 */
const SIZES = [
  { rid: "q", scale: 4, maxBitrate: 150_000 },
  { rid: "h", scale: 2, maxBitrate: 500_000 },
  { rid: "f", scale: 1, maxBitrate: 1_500_000 },
] as const;
/**
 * Of a picture of fewer pixels browsers code but the first two sizes, or the first alone (libwebrtc, `simulcast.cc`): the last of those
 * has to be the whole picture.
 */
const PIXELS_OF_THREE = 960 * 540;
const PIXELS_OF_TWO = 480 * 270;
/** A camera's usual shape, where the browser does not tell how wide it is. */
const SHAPE = 16 / 9;
/**
 * A stream of layers with its largest size, by how much smaller that is. Each size comes at three rates, and but for key frames
 * builds on none of the others, so that who shows it small gets nothing of the larger ones.
 */
const SCALABLE = [
  { scale: 4, mode: "L1T3", maxBitrate: 150_000 },
  { scale: 2, mode: "L2T3_KEY", maxBitrate: 600_000 },
  { scale: 1, mode: "L3T3_KEY", maxBitrate: CAMERA_BPS_MAX },
] as const;
/** By how much one picture may be made smaller. Few steps: each change costs a key frame. */
const STEPS = [4, 3, 2, 1.5, 1];
/** What a camera is taken to have where the browser does not tell. */
const HEIGHT_GUESS = 720;

/** Everything of a source is wanted, as in a call of two. */
export const ALL = Number.POSITIVE_INFINITY;

/** How a camera is coded for many. */
export type Many = "simulcast" | "scalable";

/** `scalabilityMode` is newer than the types of browsers' interfaces (W3C WebRTC SVC). */
type Encoding = RTCRtpEncodingParameters & { scalabilityMode?: string };

/** How many sizes a codec comes in, as far as browsers can. */
export function forMany(codec: string): Many {
  return codec === "VP9" || codec === "AV1" ? "scalable" : "simulcast";
}

export function cameraEncodings(many: Many | undefined): Encoding[] {
  if (many === "scalable") return [{ scalabilityMode: "L3T3_KEY", maxBitrate: CAMERA_BPS_MAX, maxFramerate: 30 }];
  if (!many) return [{ maxBitrate: CAMERA_BPS_MAX, maxFramerate: 30 }];
  return SIZES.map(({ rid, scale, maxBitrate }) => ({ rid, scaleResolutionDownBy: scale, maxBitrate, maxFramerate: 30 }));
}

export function screenEncodings(): RTCRtpEncodingParameters[] {
  return [{ maxBitrate: SCREEN_BPS_MAX, maxFramerate: 30 }];
}

/** Whether the answer takes several sizes on this line. One that does not is sent the first of them, as a picture of its own. */
export function takesSimulcast(answer: string, mid: string | null): boolean {
  const sections = answer.split(/^(?=m=)/m).slice(1);
  const section = sections.find((lines) => /^a=mid:(\S+)/m.exec(lines)?.[1] === mid);
  return section !== undefined && /^a=simulcast:recv /m.test(section);
}

export interface Wanted {
  /** The highest picture that anybody shows, in pixels: 0 is nobody, `ALL` as it is. */
  maxHeight: number;
  /** How high what the track brings is; absent: the browser does not tell. */
  height: number | undefined;
  /** And how wide. */
  width?: number | undefined;
  /** The server takes several sizes. */
  simulcast: boolean;
}

/** Fits the encodings of a camera to what is wanted. Says whether that changed anything. */
export function fit(encodings: Encoding[], wanted: Wanted): boolean {
  const height = wanted.height ?? HEIGHT_GUESS;
  let changed = false;
  const set = (encoding: Encoding, to: Encoding): void => {
    if (isAs(encoding, to)) return;
    Object.assign(encoding, to);
    changed = true;
  };
  if (wanted.simulcast && encodings.length > 1) {
    const pixels = height * (wanted.width ?? height * SHAPE);
    const sizes = pixels >= PIXELS_OF_THREE ? 3 : pixels >= PIXELS_OF_TWO ? 2 : 1;
    encodings.forEach((encoding, n) => {
      if (n >= sizes) return set(encoding, { active: false });
      const scale = 2 ** (sizes - 1 - n);
      // The size below is not enough, so this one is needed.
      const needed = n === 0 || height / (2 * scale) < wanted.maxHeight;
      set(encoding, { active: wanted.maxHeight > 0 && needed, scaleResolutionDownBy: scale });
    });
    return changed;
  }
  const [only] = encodings;
  if (only?.scalabilityMode) {
    const layers = SCALABLE.find(({ scale }) => height / scale >= wanted.maxHeight) ?? SCALABLE[SCALABLE.length - 1]!;
    // Paused it keeps its layers: to change them for nobody costs a key frame.
    if (wanted.maxHeight === 0) set(only, { active: false });
    else {
      const { scale, mode, maxBitrate } = layers;
      set(only, { active: true, scaleResolutionDownBy: scale, scalabilityMode: mode, maxBitrate });
    }
    return changed;
  }
  encodings.forEach((encoding, n) => {
    const scale = STEPS.find((step) => height / step >= wanted.maxHeight) ?? 1;
    // Paused it keeps its size: what comes back is a key frame anyway.
    if (n > 0 || wanted.maxHeight === 0) set(encoding, { active: false });
    else set(encoding, { active: true, scaleResolutionDownBy: scale });
  });
  return changed;
}

/** Makes the first of several sizes a whole picture: the server has taken but one. */
export function makeWhole(encodings: Encoding[]): boolean {
  const first = encodings[0];
  if (!first || first.scalabilityMode || first.maxBitrate === CAMERA_BPS_MAX) return false;
  Object.assign(first, { scaleResolutionDownBy: 1, maxBitrate: CAMERA_BPS_MAX, maxFramerate: 30 });
  return true;
}

function isAs(encoding: Encoding, to: Encoding): boolean {
  const { scaleResolutionDownBy: scale, scalabilityMode: mode } = to;
  if (mode !== undefined && encoding.scalabilityMode !== mode) return false;
  return (encoding.active ?? true) === to.active && (scale === undefined || (encoding.scaleResolutionDownBy ?? 1) === scale);
}
