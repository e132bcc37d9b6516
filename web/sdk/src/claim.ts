// Proving that one has a file, so that what the server has already need not be sent again.
//
// The server asks for a figure that only someone with all of the file's bytes can make: knowing its hash is not enough.

/** WebCrypto takes no file piece by piece: this much is held in memory for a moment, twice. */
export const CLAIM_BYTES_MAX = 16 * 1024 * 1024;
/** Below this asking costs more than sending. */
export const CLAIM_BYTES_MIN = 256 * 1024;

export interface Fingerprint {
  /** SHA-256 of the file, in hexadecimal. */
  sha256: string;
  /** What keys the proof: SHA-256 of `proof` and the file. */
  key: ArrayBuffer;
}

/** Whether this browser can: pages without HTTPS have no WebCrypto. */
export function canClaim(bytes: number): boolean {
  return bytes >= CLAIM_BYTES_MIN && bytes <= CLAIM_BYTES_MAX && globalThis.crypto?.subtle !== undefined;
}

export async function fingerprint(file: Blob): Promise<Fingerprint> {
  const all = await new Blob(["proof", file]).arrayBuffer();
  const [plain, key] = await Promise.all([
    crypto.subtle.digest("SHA-256", new Uint8Array(all, "proof".length)),
    crypto.subtle.digest("SHA-256", all),
  ]);
  const sha256 = [...new Uint8Array(plain)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { sha256, key };
}

/** HMAC-SHA256 of the nonce; both base64url. */
export async function prove({ key }: Fingerprint, nonce: string): Promise<string> {
  const hmac = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const words = Uint8Array.from(atob(nonce.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const proof = String.fromCharCode(...new Uint8Array(await crypto.subtle.sign("HMAC", hmac, words)));
  return btoa(proof).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
