// The few things of an offer that no browser API sets. SDP: RFC 9429; Opus parameters: RFC 7587 §6.1.

/** Asks to receive Opus with DTX: nothing is sent while nobody speaks. Other parameters stay as they are. */
export function withOpusDtx(sdp: string): string {
  const payloads = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000/gim)].map((match) => match[1]);
  let out = sdp;
  for (const payload of payloads) {
    const line = new RegExp(`^a=fmtp:${payload} (?!.*usedtx=)(.*)$`, "gm");
    out = out.replace(line, `a=fmtp:${payload} $1;usedtx=1`);
  }
  return out;
}

/** Ranks beside which the generations are far apart. */
const RANKS = 64;
/**
 * What the server's end costs, by generation, as Chromium counts it beside the cost of our network: from 0 for a cable and
 * 10 for Wi-Fi to 900 for mobile. It looks at that before priorities. 999 is the most that it takes, so one restart of a
 * connection outdoes all networks, and those after it any but mobile.
 */
const COSTS = [999, 99, 40, 0];

/**
 * Ranks the server's candidates so that those of a later restart come before all of earlier ones, and keep their order
 * among each other. A pair's priority goes by the lower of its two (RFC 8445 §6.1.2.3), so they are all below any of our
 * own. Without this, browsers stay for seconds on a pair that is dead already if its network was the better one.
 */
export function newestFirst(sdp: string, generation: number): string {
  const line = /^(a=candidate:\S+ \d+ \S+ )(\d+)( .*)$/gm;
  const ranked = [...new Set([...sdp.matchAll(line)].map((match) => Number(match[2])))].sort((a, b) => a - b);
  const rank = (priority: string) => Math.min(RANKS - 1, ranked.indexOf(Number(priority)));
  return sdp.replace(line, (_, before: string, priority: string, after: string) => {
    const cost = COSTS[Math.min(generation, COSTS.length - 1)];
    return `${before}${(generation + 1) * RANKS + rank(priority)}${after.trimEnd()} network-cost ${cost}`;
  });
}

/** A user name fragment and a password of ICE. */
export interface Credentials {
  ufrag: string;
  password: string;
}

/** What an answer of ours brings for restarts that the server need not be asked for, each good for one, in this order. */
export function credentialsForLater(sdp: string): Credentials[] {
  return [...sdp.matchAll(/^a=x-restart:(\S+) (\S+)\s*$/gm)].map((match) => {
    return { ufrag: match[1]!, password: match[2]! };
  });
}

/** The answer as the server would give it to a restart that goes on with these. */
export function withCredentials(sdp: string, { ufrag, password }: Credentials): string {
  return sdp.replace(/^a=ice-ufrag:\S+/gm, `a=ice-ufrag:${ufrag}`).replace(/^a=ice-pwd:\S+/gm, `a=ice-pwd:${password}`);
}

/** The DTLS fingerprints of a description. Another fingerprint is another peer, not a restart of the same. */
export function fingerprints(sdp: string): string[] {
  return [
    ...new Set([...sdp.matchAll(/^a=fingerprint:(.+)$/gm)].map((match) => match[1]!.trim().toLowerCase())),
  ].sort();
}

/** Forward error correction that the server does not take apart; it resends what is lost instead. */
const FEC = new Set(["video/red", "video/ulpfec", "video/flexfec-03"]);

/** Codecs of one kind, the preferred first; of the rest the order stays. Audio RED is left out unless it is asked for. */
export function orderCodecs<C extends { mimeType: string }>(codecs: readonly C[], prefer: string, red: boolean): C[] {
  const name = (codec: C) => codec.mimeType.toLowerCase();
  const wanted = codecs.filter((codec) => !FEC.has(name(codec)) && (red || name(codec) !== "audio/red"));
  const first = (codec: C) => name(codec) === prefer.toLowerCase();
  return [...wanted.filter(first), ...wanted.filter((codec) => !first(codec))];
}

/** Of these the one codec, and what resends its packets. */
export function onlyCodec<C extends { mimeType: string }>(codecs: readonly C[], name: string): C[] {
  const wanted = [name.toLowerCase(), "video/rtx"];
  return codecs.filter(({ mimeType }) => wanted.includes(mimeType.toLowerCase()));
}
