// Being woken while the page is not open: asked for on the settings page, kept up at every start, taken back when one leaves.

import { TertuliaError, type Client } from "@tertulia/sdk";

/** `unknown`: not asked yet; `cannot`: this browser, or this server, does not; `refused`: the person told the browser no. */
export type Waking = "unknown" | "cannot" | "refused" | "off" | "on";

interface Host {
  readonly client: Client | undefined;
  changed(): void;
  toast(text: string, tone?: "plain" | "bad"): void;
}

/** Of the demo's certificates and the like browsers say so late, or never. */
const PATIENCE_MS = 20_000;

export class Push {
  waking: Waking = "unknown";
  busy = false;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Looks how things stand; a subscription that the server lost, or that is bound to an older key of it, is made anew. */
  async refresh(): Promise<void> {
    const { client } = this.#host;
    if (!client) return;
    this.#is(await this.#look(client).catch(() => "unknown" as const));
  }

  /** Somebody is signed in: where the person has allowed it before, it goes on. */
  async keepUp(): Promise<void> {
    if ("Notification" in window && Notification.permission === "granted") await this.refresh();
  }

  /** Asks the person, then the browser, then tells the server. */
  async turnOn(): Promise<void> {
    const { client } = this.#host;
    if (!client || this.busy) return;
    this.#working(true);
    try {
      if ((await Notification.requestPermission()) !== "granted") {
        this.#is(Notification.permission === "denied" ? "refused" : "off");
        return;
      }
      const { public_key } = await client.push.state();
      await this.#subscribe(client, public_key);
      this.#is("on");
    } catch (error) {
      this.#host.toast(error instanceof TertuliaError ? error.message : "This browser could not be subscribed", "bad");
    } finally {
      this.#working(false);
    }
  }

  async turnOff(): Promise<void> {
    const { client } = this.#host;
    if (!client || this.busy) return;
    this.#working(true);
    try {
      await client.push.unsubscribe();
      await (await subscription())?.unsubscribe();
      this.#is("off");
    } catch (error) {
      this.#host.toast(error instanceof TertuliaError ? error.message : "This browser did not let go of it", "bad");
    } finally {
      this.#working(false);
    }
  }

  /** Somebody leaves: nobody is woken here for them. */
  leave(client: Client | undefined): void {
    if (this.waking === "on") client?.push.unsubscribe().catch(() => undefined);
    this.waking = "unknown";
    void subscription().then((known) => known?.unsubscribe()).catch(() => undefined);
  }

  async #look(client: Client): Promise<Waking> {
    if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return "cannot";
    const state = await client.push.state().catch((error) => {
      if (error?.code === "not_found") return undefined;
      throw error;
    });
    if (!state) return "cannot";
    if (Notification.permission === "denied") return "refused";
    const known = await subscription();
    if (!known || Notification.permission !== "granted") return "off";
    if (!state.subscribed || keyOf(known) !== state.public_key) await this.#subscribe(client, state.public_key, known);
    return "on";
  }

  async #subscribe(client: Client, publicKey: string, known?: PushSubscription): Promise<void> {
    await navigator.serviceWorker.register("/sw.js");
    const { pushManager } = await inTime(navigator.serviceWorker.ready);
    const old = known ?? (await pushManager.getSubscription());
    if (old && keyOf(old) !== publicKey) await old.unsubscribe();
    const made = await inTime(
      pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(publicKey) }),
    );
    const { endpoint, keys } = made.toJSON();
    await client.push.subscribe({
      endpoint: endpoint ?? "",
      keys: { p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" },
    });
  }

  #is(waking: Waking): void {
    this.waking = waking;
    this.#host.changed();
  }

  #working(busy: boolean): void {
    this.busy = busy;
    this.#host.changed();
  }
}

async function subscription(): Promise<PushSubscription | null | undefined> {
  if (!("serviceWorker" in navigator)) return undefined;
  return (await navigator.serviceWorker.getRegistration("/"))?.pushManager?.getSubscription();
}

function inTime<T>(what: Promise<T>): Promise<T> {
  return Promise.race([
    what,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error("no answer of the browser")), PATIENCE_MS)),
  ]);
}

function keyOf(subscription: PushSubscription): string | undefined {
  const key = subscription.options.applicationServerKey;
  if (!key) return undefined;
  const text = btoa(String.fromCharCode(...new Uint8Array(key)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytesOf(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
