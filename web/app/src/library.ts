// A person's pictures, videos, voice notes and files: what is here, what is on its way, and what was refused.
//
// Invariant: what the server says of a file counts; what this page has asked for is shown as asked for, not as done.

import {
  TertuliaError,
  type Media,
  type MediaApi,
  type MediaProgress,
  type MediaRejected,
  type MediaTreatment,
  type Person,
  type Unfinished,
  type UploadLimits,
} from "@tertulia/sdk";
import { fresh } from "./fresh.js";
import { sayRefusal } from "./words-media.js";
import { sayError } from "./words.js";

/** Files on one page of the list. */
const PAGE = 30;
/** Files that are sent at once; others wait. The server lets a person send eight. */
const AT_ONCE = 3;
/** Refusals that are shown; older ones go. */
const REFUSALS_MAX = 5;
/** A file of which nothing more was said is asked after this often: a frame may have been lost with its socket. */
const ASK_AGAIN_MS = 10_000;

export interface Host {
  readonly media: MediaApi | undefined;
  readonly userId: string | undefined;
  readonly limits: UploadLimits | undefined;
  readonly view: string;
  changed(): void;
  toast(text: string, tone?: "plain" | "bad", action?: { label: string; run: () => void }): void;
  announce(text: string): void;
  showMedia(): void;
}

/** A file on its way from here. */
export interface Sending {
  id: number;
  file: Blob;
  name: string;
  as: MediaTreatment;
  /** Whom it is for, once. */
  once: Person | undefined;
  sent: number;
  state: "waiting" | "sending" | "failed";
  error: TertuliaError | undefined;
  stop: AbortController;
}

/** What was refused on another device, or is not in the list. */
export interface Refused {
  id: number;
  name: string | undefined;
  error: TertuliaError;
}

/** What someone has shared with this person, by its address. */
export interface Received {
  id: string;
  media: Media | undefined;
  problem: string | undefined;
}

export class Library {
  /** Not known until the first page is here. */
  items: Media[] | undefined;
  next: string | undefined;
  sendings: Sending[] = [];
  refused: Refused[] = [];
  unfinished: Unfinished[] = [];
  /** View-once files that this page has sent, and to whom. */
  once: { media: Media; to: Person }[] = [];
  received: Received | undefined;
  /** Whom this page has shared a file with. */
  readonly shared = new Map<string, Person[]>();
  readonly #host: Host;
  #ids = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  /** What was another user's goes, and what is on its way for them. */
  forget(): void {
    for (const sending of this.sendings) sending.stop.abort();
    clearTimeout(this.#timer);
    this.items = this.next = this.received = this.#timer = undefined;
    this.sendings = [];
    this.refused = [];
    this.unfinished = [];
    this.once = [];
    this.shared.clear();
  }

  /** A session is open: what may have changed meanwhile is asked for. */
  async refresh(): Promise<void> {
    const { media, limits } = this.#host;
    if (!media || !limits) return;
    this.#noteUnfinished();
    const page = await fresh(() => this.items, () => media.list({ limit: PAGE }));
    if (!page || media !== this.#host.media) return;
    this.items = page.media;
    this.next = page.next;
    if (this.received && !this.received.media) await this.receive(this.received.id);
    this.#watch();
    this.#host.changed();
  }

  async more(): Promise<void> {
    await this.#try(async (media) => {
      const page = await media.list({ before: this.next, limit: PAGE });
      const known = new Set(this.items?.map((item) => item.media_id));
      this.items = [...(this.items ?? []), ...page.media.filter((item) => !known.has(item.media_id))];
      this.next = page.next;
    });
  }

  // ── sending ──

  /** Sends files, a few at a time. */
  send(files: Iterable<Blob>, options: { as?: MediaTreatment; once?: Person; name?: string } = {}): void {
    for (const file of files) {
      this.sendings.push({
        id: ++this.#ids,
        file,
        name: options.name ?? (file as Partial<File>).name ?? "",
        as: options.as ?? "auto",
        once: options.once,
        sent: 0,
        state: "waiting",
        error: undefined,
        stop: new AbortController(),
      });
    }
    this.#sendNext();
    this.#host.changed();
  }

  /** Once more; or as a document, which has to be nothing but small enough. */
  sendAgain(sending: Sending, as = sending.as): void {
    sending.as = as;
    sending.state = "waiting";
    sending.error = undefined;
    sending.stop = new AbortController();
    this.#sendNext();
    this.#host.changed();
  }

  /** Takes it back, or takes a failed one out of sight. */
  drop(sending: Sending): void {
    sending.stop.abort();
    this.sendings = this.sendings.filter((other) => other !== sending);
    this.#noteUnfinished();
    this.#sendNext();
    this.#host.changed();
  }

  async dropUnfinished(one: Unfinished): Promise<void> {
    await this.#try((media) => media.discard(localStorage, one));
    this.#noteUnfinished();
    this.#host.changed();
  }

  #sendNext(): void {
    const running = this.sendings.filter((one) => one.state === "sending").length;
    const waiting = this.sendings.filter((one) => one.state === "waiting");
    for (const sending of waiting.slice(0, Math.max(0, AT_ONCE - running))) void this.#send(sending);
  }

  async #send(sending: Sending): Promise<void> {
    const { media } = this.#host;
    if (!media) return;
    const { file, name, as, once, stop } = sending;
    sending.state = "sending";
    sending.sent = 0;
    try {
      const sent = await media.upload(file, {
        as,
        ...(name && { fileName: name }),
        // Somewhere one looks for what one has sent it should not be gone tomorrow.
        ...(once ? { viewOnce: [once.user_id] } : { keep: true }),
        signal: stop.signal,
        memory: localStorage,
        onProgress: (bytes) => {
          sending.sent = bytes;
          this.#host.changed();
        },
      });
      if (media !== this.#host.media) return;
      this.sendings = this.sendings.filter((other) => other !== sending);
      if (once) this.once = [{ media: sent, to: once }, ...this.once];
      else this.#merge(sent);
      this.#host.announce(`${name || "The file"} is sent`);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof TertuliaError)) throw error;
      sending.state = "failed";
      sending.error = error;
      this.#host.announce(sayRefusal(error, name, file.size));
    } finally {
      this.#noteUnfinished();
      this.#sendNext();
      this.#watch();
      this.#host.changed();
    }
  }

  #noteUnfinished(): void {
    this.unfinished = this.#host.media?.unfinished(localStorage) ?? [];
  }

  // ── what the server tells ──

  onProgress({ media_id: id, progress }: MediaProgress): void {
    const item = this.#item(id);
    if (item?.state === "processing") this.#merge({ ...item, progress });
    // From another device: it is in the list from now on.
    else if (!item) void this.#look(id);
  }

  onReady(media: Media): void {
    this.#merge(media);
  }

  onRejected(rejected: MediaRejected): void {
    void this.#refuse(rejected);
  }

  async #refuse({ media_id: id, file_name: name, error: body }: MediaRejected): Promise<void> {
    // It may be quicker here than the answer to its upload.
    if (id !== undefined && !this.#item(id)) await this.#look(id);
    const item = id === undefined ? undefined : this.#item(id);
    const error = new TertuliaError(body);
    if (item) this.#merge({ ...item, state: "refused", error: body });
    else this.refused = [{ id: ++this.#ids, name, error }, ...this.refused].slice(0, REFUSALS_MAX);
    const text = sayRefusal(error, item?.file_name ?? name);
    if (this.#host.view === "media") this.#host.announce(text);
    else this.#host.toast(text, "bad", { label: "Look", run: () => this.#host.showMedia() });
    this.#host.changed();
  }

  dismiss(refused: Refused): void {
    this.refused = this.refused.filter((other) => other !== refused);
    this.#host.changed();
  }

  // ── what is done with them ──

  keep(item: Media, on: boolean): Promise<boolean> {
    return this.#try(async (media) => {
      await media.keep(item.media_id, on);
      this.#merge({ ...(this.#item(item.media_id) ?? item), keep: on });
    });
  }

  delete(item: Media): Promise<boolean> {
    return this.#try(async (media) => {
      await media.delete(item.media_id);
      this.items = this.items?.filter(({ media_id: id }) => id !== item.media_id);
      this.once = this.once.filter(({ media: { media_id: id } }) => id !== item.media_id);
    });
  }

  /** Resolves to the id by which they have it. */
  async share(item: Media, person: Person): Promise<string | undefined> {
    let id: string | undefined;
    await this.#try(async (media) => {
      id = await media.share(item.media_id, [person.user_id]);
      this.shared.set(item.media_id, [...this.sharedWith(item), person]);
    });
    return id;
  }

  unshare(item: Media, person: Person): Promise<boolean> {
    return this.#try(async (media) => {
      await media.unshare(item.media_id, person.user_id);
      this.shared.set(item.media_id, this.sharedWith(item).filter(({ user_id: id }) => id !== person.user_id));
    });
  }

  sharedWith({ media_id: id }: Media): Person[] {
    return this.shared.get(id) ?? [];
  }

  /** An address that leads to it; undefined where it can't be had. */
  async link(item: Media): Promise<string | undefined> {
    let url: string | undefined;
    await this.#try(async (media) => void (url = (await media.link(item.media_id)).url));
    return url;
  }

  // ── what others share ──

  /** Someone's file, by the address that they have sent. */
  async receive(id: string | undefined): Promise<void> {
    if (id === undefined) {
      this.received = undefined;
      return;
    }
    const received: Received = { id, media: undefined, problem: undefined };
    this.received = received;
    try {
      const media = await this.#host.media?.status(id);
      if (this.received === received) this.received = { ...received, media };
    } catch (error) {
      if (this.received === received) this.received = { ...received, problem: sayNotHad(error) };
    }
    this.#host.changed();
  }

  /** View-once: takes the one look. The bytes, and until when one may look, by the server's clock. */
  async look(item: Media): Promise<{ file: Blob; until: number } | undefined> {
    let seen: { file: Blob; until: number } | undefined;
    await this.#try(async (media) => {
      const { expires_at: until } = await media.open(item.media_id);
      seen = { file: await media.download(item.media_id), until };
    });
    return seen;
  }

  /** View-once: it was looked at. */
  async looked(item: Media): Promise<void> {
    await this.#host.media?.opened(item.media_id).catch(() => undefined);
    if (this.received?.id === item.media_id) {
      this.received = { id: item.media_id, media: undefined, problem: "You have looked at it. It is gone now." };
    }
    this.#host.changed();
  }

  // ── inside ──

  #item(id: string): Media | undefined {
    return this.items?.find((item) => item.media_id === id) ?? this.once.find(({ media }) => media.media_id === id)?.media;
  }

  /** Puts it in the place of the one that was there, or first. What is done is not undone by an older word. */
  #merge(media: Media): void {
    const isOlder = (known: Media) => media.state === "processing" && known.state !== "processing";
    const once = this.once.find(({ media: { media_id: id } }) => id === media.media_id);
    if (once) {
      if (!isOlder(once.media)) once.media = media;
      return;
    }
    if (media.view_once || media.owner !== this.#host.userId) return;
    const known = this.items?.find(({ media_id: id }) => id === media.media_id);
    if (!known) this.items = [media, ...(this.items ?? [])].sort((a, b) => b.created_at - a.created_at);
    else if (!isOlder(known)) this.items = this.items?.map((item) => (item === known ? media : item));
  }

  async #look(id: string): Promise<void> {
    const { media } = this.#host;
    const found = await media?.status(id).catch(() => undefined);
    if (!found || media !== this.#host.media) return;
    this.#merge(found);
    this.#watch();
    this.#host.changed();
  }

  /** Asks after files in the making now and then, until there are none. */
  #watch(): void {
    clearTimeout(this.#timer);
    const making = () => [...(this.items ?? []), ...this.once.map(({ media }) => media)].filter(isMaking);
    if (making().length === 0) return;
    this.#timer = setTimeout(() => {
      for (const { media_id: id } of making()) void this.#look(id);
      this.#watch();
    }, ASK_AGAIN_MS);
  }

  /** Does it, or says why not. */
  async #try(attempt: (media: MediaApi) => Promise<void>): Promise<boolean> {
    const { media } = this.#host;
    if (!media) return false;
    try {
      await attempt(media);
      return true;
    } catch (error) {
      if (!(error instanceof TertuliaError)) throw error;
      this.#host.toast(error.code === "not_found" ? sayNotHad(error) : sayRefusal(error, undefined), "bad");
      return false;
    } finally {
      this.#host.changed();
    }
  }
}

const isMaking = ({ state }: Media) => state === "processing";

function sayNotHad(error: unknown): string {
  if (!(error instanceof TertuliaError)) return "Something went wrong";
  if (error.code === "not_found") return "This is not here any more, or it was not shared with you";
  return sayError(error, "");
}
