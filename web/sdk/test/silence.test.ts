import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { onWake } from "../src/network.js";
import { SILENCE, SilenceWatch, type Ear } from "../src/silence.js";

/** A watch that looks when told to, at a clock that stands still otherwise. */
class Stage {
  now = 0;
  rtpAt = 0;
  packets = 0;
  checks = 0;
  readings = 0;
  readonly acts: number[] = [];
  readonly again: boolean[] = [];
  readonly down: boolean[] = [];
  /** What is done shows soon whether it helps. */
  quick = false;
  /** It is done at once. */
  mends = false;
  readonly watch: SilenceWatch;

  constructor() {
    const ear: Ear = {
      getSynchronizationSources: () => (this.rtpAt ? [{ timestamp: this.rtpAt, source: 1, rtpTimestamp: 1 }] : []),
      getStats: () => {
        this.readings += 1;
        const entries = [
          ["T", { type: "transport", packetsReceived: this.packets, selectedCandidatePairId: "P" }],
          ["P", { type: "candidate-pair", id: "P", responsesReceived: this.checks }],
          ["Q", { type: "candidate-pair", id: "Q", responsesReceived: this.now }],
        ];
        return Promise.resolve(new Map(entries as [string, unknown][]) as unknown as RTCStatsReport);
      },
    };
    const events = {
      silent: (again: boolean) => {
        this.acts.push(this.now);
        this.again.push(again);
        if (this.mends) this.watch.mended();
        return this.quick;
      },
      down: (down: boolean) => void this.down.push(down),
    };
    // The timer of the test is its own.
    this.watch = new SilenceWatch(() => [ear], events, { ...SILENCE, lookMs: 1_000_000 }, () => this.now, 0);
    this.watch.start();
    stages.push(this);
  }

  /** Looks every 200 ms for so long; `arrives` is asked for each millisecond. */
  async pass(ms: number, arrives: (ms: number) => boolean): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      for (let i = 0; i < 200; i += 1) if (arrives(this.now + i)) this.packets += 1;
      this.now += 200;
      await this.watch.look();
    }
  }
}
const stages: Stage[] = [];
afterEach(() => stages.splice(0).forEach((stage) => stage.watch.stop()));

const nothing = () => false;
const every = (period: number) => (ms: number) => ms % period === 0;
/** The same numbers on every run. */
const dice = (seed: number) => () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;

test("c6_half_a_second_of_silence_is_acted_upon_within_a_look", async () => {
  const stage = new Stage();
  await stage.pass(3_000, every(250));
  assert.deepEqual(stage.acts, []);
  await stage.pass(1_000, nothing);
  assert.equal(stage.acts.length, 1);
  assert.ok(stage.acts[0]! - 3_000 <= 800, String(stage.acts));
});

test("c6_acts_upon_a_silence_that_lasts_come_further_and_further_apart", async () => {
  const stage = new Stage();
  await stage.pass(1_000, every(20));
  await stage.pass(30_000, nothing);
  const waits = stage.acts.slice(1).map((at, i) => at - stage.acts[i]!);
  assert.deepEqual(waits, [2_000, 3_000, 5_000, 8_000, 8_000]);
  assert.deepEqual(stage.down, [true]);
  await stage.pass(400, every(20));
  assert.deepEqual(stage.down, [true, false]);
});

test("c6_after_an_act_that_shows_at_once_whether_it_helped_the_next_comes_sooner", async () => {
  const stage = new Stage();
  await stage.pass(1_000, every(20));
  stage.quick = true;
  await stage.pass(1_000, nothing);
  assert.equal(stage.acts.length, 1);
  stage.quick = false;
  await stage.pass(6_000, nothing);
  const waits = stage.acts.slice(1).map((at, i) => at - stage.acts[i]!);
  assert.deepEqual(waits, [1_000, 2_000, 3_000]);
});

test("c6_silence_counts_from_the_last_sound_and_not_from_the_look_that_found_it", async () => {
  const stage = new Stage();
  await stage.pass(1_000, every(20));
  stage.rtpAt = 1_010;
  await stage.pass(1_000, nothing);
  assert.deepEqual(stage.acts, [1_600]);
  // A clock that is none: from the look.
  const other = new Stage();
  await other.pass(1_000, every(20));
  other.rtpAt = 9_000_000;
  await other.pass(1_000, nothing);
  assert.deepEqual(other.acts, [1_800]);
});

test("c6_what_was_done_and_has_not_helped_is_told_from_what_is_still_under_way", async () => {
  const stage = new Stage();
  await stage.pass(1_000, every(20));
  await stage.pass(3_000, nothing);
  stage.watch.mended();
  await stage.pass(3_000, nothing);
  assert.deepEqual(stage.again, [false, false, true]);
});

test("c6_a_third_of_all_packets_lost_is_no_silence", async () => {
  const stage = new Stage();
  const random = dice(7);
  const lossy = (ms: number) => ms % 250 === 0 && random() > 0.3;
  await stage.pass(20_000, lossy);
  const atFirst = stage.acts.length;
  assert.ok(atFirst <= 3, `${atFirst} at first`);
  await stage.pass(300_000, lossy);
  assert.ok(stage.acts.length - atFirst <= 15, `${stage.acts.length - atFirst} in five minutes`);
  const died = stage.now;
  await stage.pass(4_000, nothing);
  assert.ok(stage.acts.some((at) => at > died && at - died <= 2_400), "and yet it is noticed when all is lost");
});

test("c6_gaps_that_heal_as_soon_as_they_are_acted_upon_are_waited_for_though_the_act_is_done_at_once", async () => {
  const stage = new Stage();
  stage.quick = stage.mends = true;
  const random = dice(7);
  const lossy = (ms: number) => ms % 250 === 0 && random() > 0.3;
  await stage.pass(20_000, lossy);
  const atFirst = stage.acts.length;
  await stage.pass(300_000, lossy);
  assert.ok(stage.acts.length - atFirst <= 15, `${stage.acts.length - atFirst} in five minutes`);
});

test("c6_an_act_that_helps_leaves_patience_as_short_as_it_was", async () => {
  const stage = new Stage();
  stage.quick = stage.mends = true;
  for (let i = 1; i <= 4; i += 1) {
    await stage.pass(2_000, every(20));
    stage.rtpAt = stage.now - 10;
    const died = stage.now;
    await stage.pass(800, nothing);
    assert.equal(stage.acts.length, i);
    assert.ok(stage.acts.at(-1)! - died <= 800);
    stage.rtpAt = stage.acts.at(-1)! + 100;
    await stage.pass(200, nothing);
  }
});

test("c6_patience_is_short_again_on_a_network_that_has_become_good", async () => {
  const stage = new Stage();
  await stage.pass(2_000, every(20));
  for (let i = 0; i < 3; i += 1) {
    await stage.pass(1_400, nothing);
    await stage.pass(3_000, every(20));
  }
  const healed = stage.acts.length;
  await stage.pass(30_000, every(20));
  const died = stage.now;
  await stage.pass(1_000, nothing);
  assert.equal(stage.acts.length, healed + 1);
  assert.ok(stage.acts.at(-1)! - died <= 800);
});

test("c6_where_the_way_answers_there_is_only_nothing_to_send", async () => {
  const stage = new Stage();
  await stage.pass(1_000, every(20));
  await stage.pass(800, nothing);
  assert.equal(stage.acts.length, 1);
  stage.checks += 1;
  await stage.pass(20_000, nothing);
  assert.equal(stage.acts.length, 1);
  assert.deepEqual(stage.down, []);
  await stage.pass(5_000, every(20));
  await stage.pass(800, nothing);
  assert.equal(stage.acts.length, 2);
});

test("c6_while_people_talk_looking_costs_no_reading_of_statistics", async () => {
  const stage = new Stage();
  for (let i = 0; i < 50; i += 1) {
    stage.rtpAt += 200;
    await stage.pass(200, every(20));
  }
  assert.equal(stage.readings, 0);
  await stage.pass(800, nothing);
  assert.equal(stage.acts.length, 1);
});

test("c6_a_late_look_judges_by_what_came_meanwhile", async () => {
  const stage = new Stage();
  await stage.pass(1_000, every(20));
  stage.now += 60_000;
  stage.packets += 1;
  await stage.watch.look();
  assert.deepEqual(stage.acts, []);
  stage.now += 60_000;
  await stage.watch.look();
  assert.equal(stage.acts.length, 1);
});

test("c6_nothing_is_judged_before_something_has_come_nor_on_hold", async () => {
  const stage = new Stage();
  await stage.pass(5_000, nothing);
  await stage.pass(1_000, every(20));
  stage.watch.stop();
  await stage.pass(5_000, nothing);
  stage.watch.start();
  await stage.pass(5_000, nothing);
  assert.deepEqual(stage.acts, []);
});

test("c6_a_clock_that_jumps_is_a_lid_that_was_closed", async () => {
  let now = 0;
  let woken = 0;
  const stop = onWake(() => (woken += 1), () => (now += 5), 1, 100);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(woken, 0);
  now += 1_000;
  const deadline = Date.now() + 2_000;
  while (woken === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
  stop();
  assert.equal(woken, 1);
});
