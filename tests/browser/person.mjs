// A person before a device: what they do reads like what one does, what they check is what they would see and hear.

import assert from "node:assert/strict";
import { FRAMES, PEOPLE } from "./fixtures.mjs";
import { GEOMETRY, install, lateness, longestGap } from "./probe.mjs";
import { pause, until } from "./until.mjs";

/** How far a tone may be off: the analyser's own step is 6 Hz. */
export const HZ_OFF = 10;
/** Below this a microphone is silent; a voice here is thirty times as loud. */
export const SILENCE = 0.003;
const LISTEN_MS = 1_500;
/** Sound or picture flows when this long nothing was missing for longer than that. */
const FLOWS_MS = 1_500;
const GAP_MS = 500;
/** What a microphone sounds like: files in Chromium, Firefox's own stand-in. */
export const TONES_HZ = { left: PEOPLE.left.toneHz, right: PEOPLE.right.toneHz, firefox: 1_000 };

/** Firefox says so of a spare socket that the page has closed before it was open, as if the page had thrown it. */
const FIREFOX_SOCKETS = /^Error: (Firefox can’t establish a connection|The connection to wss?:\S+ was interrupted)/;

export class Person {
  /** What the page wrote to its console, and what it threw. */
  said = [];
  errors = [];

  constructor(name, page, url) {
    this.name = name;
    this.page = page;
    this.url = url;
    page.on("console", (message) => this.said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => {
      const text = String(error?.stack ?? error);
      if (!FIREFOX_SOCKETS.test(text)) this.errors.push(text);
    });
  }

  // ── the page ──

  async open() {
    await this.page.goto(this.url, { waitUntil: "load" });
    await this.page.evaluate(install, GEOMETRY);
  }

  async signIn() {
    await this.open();
    await this.sees("sign-in-name");
    await this.page.type(at("sign-in-name"), this.name);
    await this.click("sign-in-submit");
    await this.isOnline();
  }

  /** Registers a phone number; the PIN is in the log of `server`, as whoever runs it for themselves reads it there. */
  async registers(server, phone) {
    await this.asksForPin(phone);
    await this.entersPin(server, phone);
  }

  async entersPin(server, phone) {
    const pin = await until("the server has logged a PIN", () => {
      const all = [...server.logged().matchAll(/PIN (\d{6}) for (\+\d+)/g)].filter(([, , number]) => number === phone);
      return all.at(-1)?.[1];
    });
    await this.types("sign-in-pin", pin);
    await this.click("sign-in-pin-submit");
    await this.isOnline();
    const nameless = await this.page.evaluate((s) => !!document.querySelector(s), at("account-name"));
    if (nameless) {
      await this.types("account-name", this.name);
      await this.click("account-name-submit");
    }
    await this.sees("people-search");
  }

  async asksForPin(phone) {
    await this.open();
    await this.types("sign-in-phone", phone);
    await this.click("sign-in-phone-submit");
    await this.sees("sign-in-pin");
  }

  /** Types into a field, from its beginning. */
  async types(testId, text) {
    await this.sees(testId);
    await this.page.evaluate((s) => (document.querySelector(s).value = ""), at(testId));
    await this.page.type(at(testId), text);
  }

  async isOnline() {
    this.userId = await this.until("is online", () => {
      return window.tertulia?.client?.state === "online" && window.tertulia.client.welcome?.user_id;
    });
  }

  async reload() {
    await this.page.reload({ waitUntil: "load" });
    await this.page.evaluate(install, GEOMETRY);
  }

  /** Closes the page, as one closes a tab. */
  async goesAway() {
    await this.page.goto("about:blank");
  }

  /** Opens the page again: the browser remembers who this is. */
  async comesBack() {
    await this.open();
    await this.isOnline();
  }

  sees(testId) {
    return this.until(`sees ${testId}`, (selector) => !!document.querySelector(selector)?.checkVisibility(), at(testId));
  }

  seesNo(testId) {
    return this.until(`sees no ${testId}`, (selector) => !document.querySelector(selector)?.checkVisibility(), at(testId));
  }

  reads(testId, pattern) {
    return until(`${this.name} reads ${pattern} in ${testId}`, async () => {
      const text = await this.page.evaluate((s) => document.querySelector(s)?.textContent ?? "", at(testId));
      return pattern.test(text) && text;
    });
  }

  async click(testId, within = "") {
    const selector = `${within} ${at(testId)}`.trim();
    // By the element's own click, and in the moment in which it is found: a list that moves is not what these tests are about.
    await this.until(`can click ${testId}`, (s) => {
      const found = document.querySelector(s);
      if (!found?.checkVisibility() || found.disabled) return false;
      found.click();
      return true;
    }, selector);
  }

  until(what, ask, ...words) {
    return until(`${this.name} ${what}`, () => this.page.evaluate(ask, ...words));
  }

  /** Presses a button in a row's menu. */
  async chooses(testId, row) {
    await this.click("more", at(row));
    await this.click(testId, at(row));
  }

  async opensSettings() {
    await this.click("settings");
    await this.sees("settings-page");
  }

  async leavesSettings() {
    await this.click("back");
    await this.sees("people-search");
  }

  // ── calling ──

  async calls(other, kind) {
    await this.triesToCall(other, kind);
    await this.sees("in-call");
  }

  /** Where the call may be over before one has seen it. */
  triesToCall(other, kind) {
    return this.click(`call-${kind}`, at(`person-${other.userId}`));
  }

  /** Calls whoever has this number. */
  async callsNumber(phone, kind) {
    await this.types("people-search", phone);
    await this.click(`call-${kind}`, at("call-number"));
    await this.sees("in-call");
  }

  /** Goes back into a call that went on while the page was loaded anew. */
  async rejoins() {
    await this.click("rejoin");
    await this.sees("in-call");
  }

  async rings() {
    await this.sees("incoming");
  }

  async stopsRinging() {
    await this.seesNo("incoming");
  }

  async accepts() {
    await this.rings();
    await this.click("incoming-accept");
    await this.sees("in-call");
  }

  async declines() {
    await this.rings();
    await this.click("incoming-decline");
  }

  /** Is told something in the call's page or in a passing message. */
  isTold(pattern) {
    return this.until(`is told ${pattern}`, (source, flags) => {
      const places = document.querySelectorAll('[data-testid="call-state"], [data-testid="toast"]');
      return [...places].some(({ textContent }) => new RegExp(source, flags).test(textContent));
    }, pattern.source, pattern.flags);
  }

  hangsUp() {
    return this.click("hangup");
  }

  isInCall() {
    return this.until("is in a call whose media is up", () => {
      const call = window.tertulia?.call;
      return call?.state === "active" && call.connection === "up";
    });
  }

  async isFree() {
    await this.seesNo("in-call");
    await this.seesNo("incoming");
  }

  // ── seeing and hearing ──

  look(testId = "remote-video") {
    return this.page.evaluate((id) => window.probe.look(id), testId);
  }

  hear(ms = LISTEN_MS) {
    return this.page.evaluate((listen) => window.probe.hear("remote-audio", listen), ms);
  }

  /** Hears the tone of another's microphone, in the samples and in the statistics. */
  async hears(other) {
    const wanted = TONES_HZ[other.browserName];
    const before = await this.audioEnergy();
    await until(`${this.name} hears ${wanted} Hz`, async () => {
      const { rms, hz } = await this.hear();
      return rms > 10 * SILENCE && Math.abs(hz - wanted) <= HZ_OFF;
    });
    assert.ok((await this.audioEnergy()) > before, `${this.name}: no audio energy in getStats`);
  }

  async hearsSilence() {
    await until(`${this.name} hears silence`, async () => (await this.hear()).rms < SILENCE);
  }

  /** Sees another's camera, by its colour and by frames that differ; returns the last one. */
  async seesCameraOf(other, { testId = "remote-video", least = 4 } = {}) {
    const seen = new Set();
    let last;
    await until(`${this.name} sees the camera of ${other.name}: ${least} frames of it`, async () => {
      last = await this.look(testId);
      const frame = last && frameOf(other, last);
      if (frame !== undefined) seen.add(frame);
      return seen.size >= least;
    }).catch((error) => {
      throw new Error(`${error.message}\nlast picture: ${JSON.stringify(last)}, frames: ${[...seen]}`);
    });
    return last;
  }

  /** The picture of the remote camera stands still, or there is none. */
  async seesNoCamera() {
    await until(`${this.name} sees no camera`, async () => {
      const before = await this.framesDecoded();
      await pause(700);
      return (await this.framesDecoded()) === before;
    });
  }

  async stats(type, kind) {
    return this.page.evaluate((t, k) => window.probe.stats(t, k), type, kind);
  }

  async audioEnergy() {
    return sum(await this.stats("inbound-rtp", "audio"), "totalAudioEnergy");
  }

  async framesDecoded() {
    return sum(await this.stats("inbound-rtp", "video"), "framesDecoded");
  }

  async framesAdvance(frames = 10) {
    const before = await this.framesDecoded();
    await until(`${this.name}: ${frames} frames decoded`, async () => (await this.framesDecoded()) >= before + frames);
  }

  async audioAdvances() {
    const packets = async () => sum(await this.stats("inbound-rtp", "audio"), "packetsReceived");
    const before = await packets();
    await until(`${this.name}: audio packets arrive`, async () => (await packets()) >= before + 25);
  }

  // ── how it goes on ──

  /** From now on notes when there is sound and picture; `interruption` needs some seconds of it. */
  watches() {
    return this.page.evaluate(() => window.probe.watch());
  }

  /**
   * What became of the sound (or picture) after `since` (Date.now()): waits until it has flowed for a while, at least
   * `settle` after that, and gives the longest gap and how long after `since` it ended.
   */
  async interruption(since, { kind = "audio", settle = 4_000, least = 0, patience } = {}) {
    let found;
    await until(`${this.name}: ${kind} flows again`, async () => {
      const now = Date.now();
      if (now < since + settle) return false;
      const times = await this.page.evaluate((k, from) => window.probe.arrivals(k, from), kind, since - 2_000);
      found = longestGap(times, since);
      const flowing = times.filter((time) => time > now - FLOWS_MS);
      const smooth = flowing.length > 10 && longestGap([now - FLOWS_MS, ...flowing, now], 0).gap < GAP_MS;
      return smooth && found.gap >= least;
    }, patience);
    return found;
  }

  /** How far lips and voice of another are apart here, in milliseconds, by what the way has added. */
  async apartFrom(other, ms = 8_000) {
    // A browser says every five seconds how its voice's clock stands to its picture's (RTCP sender reports); the server
    // says so every second. After eight of ours at least one of theirs is in them.
    await until("the voice's clock is known", async () => {
      const [report] = await this.stats("remote-outbound-rtp", "audio");
      return report?.reportsSent >= 8;
    });
    // The devices of a browser play their two files each at its own pace: what counts is what the way adds to what left.
    const [left, arrived] = await Promise.all([
      other.page.evaluate((time) => window.probe.sent(time), ms),
      this.page.evaluate((time) => window.probe.received(time), ms),
    ]);
    return withinPeriod(lateness(arrived) - lateness(left));
  }

  shot(path) {
    return this.page.screenshot({ path });
  }

  /** For a failure's report. */
  describe() {
    return this.page.evaluate(async () => {
      const { client, call } = window.tertulia ?? {};
      const reports = (await window.probe?.stats("inbound-rtp")) ?? [];
      const flows = reports.map((r) => `${r.kind} ${r.packetsReceived} packets, ${r.framesDecoded ?? "-"} frames`);
      const pc = call?.pc;
      const elements = [...document.querySelectorAll("video, audio")].map((it) => {
        const state = it.paused ? "paused" : it.ended ? "ended" : "plays";
        const track = it.srcObject?.getTracks().map(({ kind, muted, readyState }) => `${kind} ${readyState}${muted ? " muted" : ""}`);
        const drawn = it.getVideoPlaybackQuality?.().totalVideoFrames;
        return `${it.dataset.testid}: ${state} at ${it.currentTime.toFixed(1)} s, ready ${it.readyState}, ${drawn ?? "-"} drawn, ${track ?? it.currentSrc}`;
      });
      return JSON.stringify({
        elements,
        client: client?.state, call: call?.state, connection: call?.connection, ended: call?.ended,
        members: call?.conference?.members.map(({ entry }) => `${entry.name} ${entry.mic} ${entry.camera}`), lines: pc?.getTransceivers().length,
        ice: pc?.iceConnectionState, dtls: pc?.connectionState, roster: call?.roster, slots: call?.slots, flows,
        people: client?.people?.filter(({ online }) => online).map(({ name }) => name),
        shows: (document.querySelector("dialog[open]") ?? document.body).innerText.replace(/\s+/g, " ").slice(0, 400),
      });
    });
  }
}

const at = (testId) => `[data-testid="${testId}"]`;
const sum = (reports, field) => reports.reduce((total, report) => total + (report[field] ?? 0), 0);

/** A flash comes every second: half a second after one is half a second before the next. */
function withinPeriod(ms) {
  const PERIOD_MS = 1_000;
  return ms - PERIOD_MS * Math.round(ms / PERIOD_MS);
}

/** Which frame of this camera a picture is; undefined if it is none of them. */
function frameOf({ browserName }, { counter, swatch }) {
  const [red, , blue] = swatch;
  switch (browserName) {
    case "firefox": // a plain picture whose colour changes with every frame
      return swatch.join(" ");
    case "left":
      return red > blue + 60 && counter < FRAMES ? counter : undefined;
    default:
      return blue > red + 60 && counter < FRAMES ? counter : undefined;
  }
}
