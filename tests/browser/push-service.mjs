// A push service of the tests, and the browser's side of it: Chromium's own would reach out to the internet. The page's
// subscription is made here (`subscribeHere`), what comes is opened as a browser opens it (RFC 8291), and handed to the page's
// service worker by the browser's own tools.

import { createServer } from "node:http";
import { webcrypto } from "node:crypto";
import { until } from "./until.mjs";

const { subtle } = webcrypto;

export class PushService {
  came = [];
  #server;

  static async open(port) {
    const service = new PushService();
    service.#server = createServer(async (request, response) => {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      service.came.push({ headers: request.headers, body: Buffer.concat(pieces) });
      response.writeHead(201).end();
    });
    await new Promise((resolve) => service.#server.listen(port, "127.0.0.1", resolve));
    return service;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** The next push for this person's page, opened. */
  async next(person) {
    const { body } = await until("a push comes", () => this.came.shift());
    return JSON.parse(await open(body, person.subscription));
  }
}

/** In the page, before anything of it: subscribing gives a subscription of this service, which lasts as the browser's own do. */
export function subscribeHere(endpoint) {
  const KEPT = "subscription of the test";
  const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const kept = () => {
    const { p256dh, auth, server } = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    if (!p256dh) return null;
    return {
      options: { applicationServerKey: Uint8Array.from(server).buffer },
      toJSON: () => ({ endpoint, expirationTime: null, keys: { p256dh, auth } }),
      unsubscribe: async () => (sessionStorage.removeItem(KEPT), true),
    };
  };
  PushManager.prototype.getSubscription = async () => kept();
  PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
    const keys = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
    const p256dh = base64(await crypto.subtle.exportKey("raw", keys.publicKey));
    const auth = base64(crypto.getRandomValues(new Uint8Array(16)));
    const key = await crypto.subtle.exportKey("jwk", keys.privateKey);
    sessionStorage.setItem(KEPT, JSON.stringify({ key, p256dh, auth, server: [...applicationServerKey] }));
    return kept();
  };
}

/** Its keys, for `PushService.next`. */
export const keysOf = (person) => person.page.evaluate(() => JSON.parse(sessionStorage.getItem("subscription of the test")));

async function derive(salt, secret, info, bytes) {
  const key = await subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  return Buffer.from(await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, bytes * 8));
}

async function open(body, { key, p256dh, auth }) {
  const ecdh = { name: "ECDH", namedCurve: "P-256" };
  const [salt, theirs, sealed] = [body.subarray(0, 16), body.subarray(21, 86), body.subarray(86)];
  const mine = await subtle.importKey("jwk", key, ecdh, false, ["deriveBits"]);
  const peer = await subtle.importKey("raw", theirs, ecdh, false, []);
  const shared = await subtle.deriveBits({ name: "ECDH", public: peer }, mine, 256);
  const bytes = (text) => Buffer.from(text, "base64url");
  const seed = await derive(bytes(auth), shared, Buffer.concat([Buffer.from("WebPush: info\0"), bytes(p256dh), theirs]), 32);
  const aes = await derive(salt, seed, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
  const iv = await derive(salt, seed, Buffer.from("Content-Encoding: nonce\0"), 12);
  const opener = await subtle.importKey("raw", aes, "AES-GCM", false, ["decrypt"]);
  const text = Buffer.from(await subtle.decrypt({ name: "AES-GCM", iv }, opener, sealed));
  return text.subarray(0, text.lastIndexOf(2)).toString();
}
