// Pictures, videos, voice notes and files: sending them, what becomes of them, who has them.

import { canClaim, fingerprint, prove } from "./claim.js";
import { TertuliaError } from "./errors.js";
import { askAs, blobAs, refusal, withToken, type Asking, type Bearer } from "./http.js";
import { checkLimits } from "./limits.js";
import type {
  Media,
  MediaChallenge,
  MediaClaim,
  MediaLease,
  MediaLink,
  MediaPage,
  MediaProof,
  MediaShared,
  MediaTreatment,
  Recipient,
  UploadLimits,
} from "./proto.js";
import { send } from "./send.js";
import { endTus, sendByTus } from "./tus.js";
import {
  dropUnfinished,
  isSame,
  keepUnfinished,
  loadUnfinished,
  type Unfinished,
  type UploadMemory,
} from "./unfinished.js";

/** Above this a file is sent so that it can be resumed. Lowering it costs small files a request or two more. */
const AT_ONCE_BYTES_MAX = 4 * 1024 * 1024;

export interface UploadOptions {
  /** `auto`: as what it is. */
  as?: MediaTreatment;
  /** Without: the file's own, if it has one. */
  fileName?: string;
  /** Keeps it though nobody else has it. Without, what is neither kept nor shared goes after a day. */
  keep?: boolean;
  /** Who may open it, once each. It is not in anybody's list. */
  viewOnce?: string[];
  /** Whose people hear of it if it is refused: the chat that it was to go to. */
  tell?: Recipient;
  /** Takes it back: the promise rejects with the signal's reason. With `UploadPaused` it can be resumed. */
  signal?: AbortSignal;
  /** How many bytes have left; it may go back when the network was lost. */
  onProgress?: (sent: number, total: number) => void;
  /** Where one that was begun earlier is: what `onBegan` said. */
  resumeAt?: string | undefined;
  /** It is at this place, and can be resumed from there. */
  onBegan?: (location: string) => void;
  /** Where large uploads are remembered, to go on after the page was closed: `localStorage`. */
  memory?: UploadMemory;
}

/** A chat, as an upload names it. */
function addressOf(to: Recipient): string {
  return "user" in to ? `user:${to.user}` : `group:${to.group}`;
}

/** The reason of a signal that stops an upload and leaves what has come of it where it is, to go on with later. */
export class UploadPaused extends Error {
  override readonly name = "UploadPaused";
}

/** What a link to a file is. Whoever has it can open it. */
export interface SignedMediaLink {
  url: string;
  /** Its thumbnail, where it has one. */
  thumbnailUrl: string | undefined;
  /** By the server's clock. */
  expiresAt: number;
}

/** What is known of the session: absent, the server alone says what is too much. */
export interface MediaSession {
  userId: string;
  deviceId: string;
  /** Absent: this server takes no uploads. */
  limits: UploadLimits | undefined;
}

/** A signed-in person's files. `client.media` is one; without a client, give it the token. */
export class MediaApi {
  readonly #server: string;
  readonly #bearer: Bearer;
  readonly #session: () => MediaSession | undefined;
  /** Where uploads of this page are: no two of them at one place. */
  readonly #running = new Set<string>();

  constructor(server: string, token: string | Bearer, session: () => MediaSession | undefined = () => undefined) {
    this.#server = server;
    this.#bearer = typeof token === "string" ? () => token : token;
    this.#session = session;
  }

  /**
   * Sends a file. Resolves when the server has all of it: it is `ready`, or `processing`, and then events of the client tell
   * how that goes. What is over a limit of the server is refused before it is sent, with `limit` and `actual`.
   */
  async upload(file: Blob, options: UploadOptions = {}): Promise<Media> {
    const { as = "auto", signal } = options;
    signal?.throwIfAborted();
    const session = this.#session();
    if (session) {
      if (!session.limits) throw TertuliaError.of("media_sandbox_unavailable");
      checkLimits(file, as, session.limits);
    }
    const name = options.fileName ?? (file as Partial<File>).name;
    const { resumeAt } = options;
    const begun = resumeAt === undefined ? this.#unfinishedOf(file, name, options) : { location: resumeAt };
    return (
      (begun ? undefined : await this.#claim(file, name, options)) ??
      (file.size > AT_ONCE_BYTES_MAX
        ? await this.#sendInPieces(file, name, options, begun)
        : await this.#sendAtOnce(file, name, options))
    );
  }

  /** Uploads of this person that a page here has begun, and not ended. */
  unfinished(memory: UploadMemory): Unfinished[] {
    const user = this.#session()?.userId;
    if (user === undefined) return [];
    return loadUnfinished(memory, user).filter(({ location }) => !this.#running.has(location));
  }

  /** Takes such a one back. */
  async discard(memory: UploadMemory, { location }: Unfinished): Promise<void> {
    dropUnfinished(memory, location);
    await endTus(this.#server, this.#bearer, location).catch((error: unknown) => {
      if (!(error instanceof TertuliaError && error.code === "not_found")) throw error;
    });
  }

  /** This person's files, newest first; `before` is the `next` of the page before. View-once files are not among them. */
  list(page: { before?: string | undefined; limit?: number } = {}): Promise<MediaPage> {
    const query = new URLSearchParams();
    if (page.before !== undefined) query.set("before", page.before);
    if (page.limit !== undefined) query.set("limit", String(page.limit));
    const text = query.toString();
    return this.#ask("GET", `/v1/media${text && `?${text}`}`);
  }

  /** What it is, and how far it has come. */
  status(mediaId: string): Promise<Media> {
    return this.#ask("GET", `${path(mediaId)}/status`);
  }

  /** Lets others have it too. Resolves to the id by which they have it. */
  async share(mediaId: string, to: string[]): Promise<string> {
    return (await this.#ask<MediaShared>("POST", `${path(mediaId)}/share`, { body: { to } })).media_id;
  }

  /** Takes it back from one of them. */
  unshare(mediaId: string, userId: string): Promise<void> {
    return this.#ask("DELETE", `${path(mediaId)}/share/${encodeURIComponent(userId)}`);
  }

  /** Whether it stays though nobody else has it. */
  keep(mediaId: string, on = true): Promise<void> {
    return this.#ask(on ? "PUT" : "DELETE", `${path(mediaId)}/keep`);
  }

  /** A link that anyone can open, for a while: for `<video>`, `<img>`, downloads, and other people. */
  async link(mediaId: string, options: { expiresInS?: number } = {}): Promise<SignedMediaLink> {
    const body = options.expiresInS === undefined ? {} : { expires_in_s: options.expiresInS };
    const link = await this.#ask<MediaLink>("POST", `${path(mediaId)}/link`, { body });
    const whole = (relative: string) => new URL(relative, this.#server).href;
    return {
      url: whole(link.path),
      thumbnailUrl: link.thumbnail_path === undefined ? undefined : whole(link.thumbnail_path),
      expiresAt: link.expires_at,
    };
  }

  /** The file itself, by token. The only way to what is view-once. */
  download(mediaId: string, signal?: AbortSignal): Promise<Blob> {
    return this.#fetch(path(mediaId), signal);
  }

  /** Its thumbnail or poster, by token. */
  thumbnail(mediaId: string, signal?: AbortSignal): Promise<Blob> {
    return this.#fetch(`${path(mediaId)}/thumbnail`, signal);
  }

  /** View-once: this device may `download` until the lease ends. Once, and no other device of this person. */
  open(mediaId: string): Promise<MediaLease> {
    return this.#ask("POST", `${path(mediaId)}/open`);
  }

  /** View-once: it has been looked at, and is gone. */
  opened(mediaId: string): Promise<void> {
    return this.#ask("POST", `${path(mediaId)}/opened`);
  }

  /** Takes one's own file back, from everyone; one that is being made playable is cancelled. */
  delete(mediaId: string): Promise<void> {
    return this.#ask("DELETE", path(mediaId));
  }

  /** The device, where the token does not say which one it is of. */
  get #headers(): Record<string, string> {
    const device = this.#session()?.deviceId;
    return device === undefined ? {} : { "tertulia-device-id": device };
  }

  /** Asks whether it is here already. `undefined`: it has to be sent. */
  async #claim(file: Blob, name: string | undefined, options: UploadOptions): Promise<Media | undefined> {
    const { as = "auto", keep = false, viewOnce, signal } = options;
    // Nobody else can have what was sealed, and what is opened once is claimed by nobody.
    if (viewOnce || as === "sealed" || !canClaim(file.size)) return undefined;
    try {
      const print = await fingerprint(file);
      const claim: MediaClaim = { sha256: print.sha256, size: file.size, as };
      const asking = { body: claim, signal };
      const { claim_id: id, nonce } = await this.#ask<MediaChallenge>("POST", "/v1/media/claims", asking);
      const proof: MediaProof = { proof: await prove(print, nonce), keep, ...(name && { file_name: name }) };
      const media = await this.#ask<Media>("PUT", `/v1/media/claims/${encodeURIComponent(id)}`, { body: proof, signal });
      options.onProgress?.(file.size, file.size);
      return media;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof TertuliaError && (error.code === "media_quota" || error.class === "reauth")) throw error;
      // Whatever else went wrong, sending it is the way that always works, or says why it does not.
      return undefined;
    }
  }

  #sendAtOnce(file: Blob, name: string | undefined, options: UploadOptions): Promise<Media> {
    const { as = "auto", keep = false, viewOnce, tell, signal, onProgress } = options;
    const url = new URL("/v1/media", this.#server);
    url.searchParams.set("as", as);
    if (name) url.searchParams.set("file_name", name);
    if (viewOnce) url.searchParams.set("view_once", viewOnce.join(","));
    else if (keep) url.searchParams.set("keep", "true");
    if (tell) url.searchParams.set("tell", addressOf(tell));
    return withToken(this.#bearer, async (token) => {
      const type = file.type || "application/octet-stream";
      const headers = { ...this.#headers, "content-type": type, authorization: `Bearer ${token}` };
      const progress = (sent: number) => onProgress?.(Math.min(sent, file.size), file.size);
      const answer = await send({ method: "POST", url, headers, body: file, signal, progress });
      if ((answer.status === 201 || answer.status === 202) && answer.body) return answer.body as Media;
      throw refusal(answer.status, answer.body);
    });
  }

  async #sendInPieces(
    file: Blob,
    name: string | undefined,
    options: UploadOptions,
    begun: Pick<Unfinished, "location"> | undefined,
  ): Promise<Media> {
    const { as = "auto", keep, viewOnce, tell, signal, memory } = options;
    const metadata: Record<string, string> = { as };
    if (name) metadata["filename"] = name;
    if (file.type) metadata["filetype"] = file.type;
    if (viewOnce) metadata["view_once"] = viewOnce.join(",");
    else if (keep) metadata["keep"] = "true";
    if (tell) metadata["tell"] = addressOf(tell);
    let location: string | undefined;
    const at = (place: string) => {
      this.#leave(location, memory);
      location = place;
      this.#running.add(place);
      options.onBegan?.(place);
      const one = this.#describe(file, name, options);
      if (memory && one) keepUnfinished(memory, { ...one, location: place, at: Date.now() });
    };
    if (begun) at(begun.location);
    try {
      const id = await sendByTus({
        server: this.#server,
        bearer: this.#bearer,
        headers: this.#headers,
        file,
        metadata,
        resumeAt: location,
        signal,
        progress: (sent) => options.onProgress?.(sent, file.size),
        began: at,
      });
      this.#leave(location, memory);
      return await this.status(id);
    } catch (error) {
      const mayGoOn = error instanceof TertuliaError && error.class.startsWith("retry");
      this.#leave(location, mayGoOn ? undefined : memory);
      const goesOn = signal?.reason instanceof UploadPaused;
      if (signal?.aborted && location && !goesOn) void endTus(this.#server, this.#bearer, location).catch(() => undefined);
      throw error;
    }
  }

  #leave(location: string | undefined, memory: UploadMemory | undefined): void {
    if (location === undefined) return;
    this.#running.delete(location);
    if (memory) dropUnfinished(memory, location);
  }

  #describe(file: Blob, name: string | undefined, { as = "auto", viewOnce }: UploadOptions) {
    const user = this.#session()?.userId;
    const modified = (file as Partial<File>).lastModified;
    // Who may open it is not remembered, so that it can't be mistaken.
    if (user === undefined || name === undefined || modified === undefined || viewOnce) return undefined;
    return { user, name, size: file.size, modified, as };
  }

  #unfinishedOf(file: Blob, name: string | undefined, options: UploadOptions): Unfinished | undefined {
    const one = this.#describe(file, name, options);
    if (!one || !options.memory) return undefined;
    return this.unfinished(options.memory).find((other) => isSame(one, other));
  }

  #fetch(of: string, signal: AbortSignal | undefined): Promise<Blob> {
    return blobAs(this.#bearer, this.#server, of, { headers: this.#headers, signal });
  }

  #ask<T>(method: string, to: string, asking: Asking = {}): Promise<T> {
    return askAs<T>(this.#bearer, this.#server, method, to, { ...asking, headers: this.#headers });
  }
}

function path(mediaId: string): string {
  return `/v1/media/${encodeURIComponent(mediaId)}`;
}
