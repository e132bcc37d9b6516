import assert from "node:assert/strict";
import { test } from "node:test";
import { codeIn, deviceName, linkAddress } from "../src/account.js";
import { isUnnamed } from "../src/mine.js";
import { SignIn } from "../src/sign-in.js";

test("m15_a_code_is_found_in_the_address_that_its_qr_code_says", () => {
  const address = linkAddress("https://calls.example", "K7PM-3XQA");
  assert.equal(address, "https://calls.example/#link=K7PM-3XQA");
  assert.equal(codeIn(address), "K7PM-3XQA");
});

test("m15_a_code_is_forgiven_small_letters_blanks_and_a_missing_hyphen", () => {
  for (const typed of ["K7PM-3XQA", " k7pm3xqa ", "k7pm 3xqa", "K7PM%2D3XQA"]) assert.equal(codeIn(typed), "K7PM-3XQA");
  assert.equal(codeIn("  "), "");
  assert.equal(codeIn("short"), "SHORT");
});

test("m15_a_device_is_listed_by_browser_and_system", () => {
  const mac =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17 Safari/605";
  const agents: [string, boolean, string][] = [
    ["Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0", true, "Firefox on Android"],
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537 Chrome/120.0 Safari/537.36", false, "Chrome on Linux"],
    ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/120.0 Safari/537.36 Edg/120.0", false, "Edge on Windows"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) CriOS/120 Mobile Safari/604", true, "Chrome on iPhone"],
    [mac, false, "Safari on Mac"],
    [mac, true, "Safari on iPad"],
    ["curl/8", false, "Browser"],
  ];
  for (const [agent, touch, name] of agents) assert.equal(deviceName(agent, touch), name);
});

test("a1_an_account_named_by_its_numbers_digits_is_asked_for_a_name", () => {
  const phone = "+34612345678";
  const named = (name: string) => !isUnnamed({ user_id: "u", name, phone });
  for (const name of ["…5678", "5678", "+34 612 345 678"]) assert.ok(!named(name), name);
  for (const name of ["Ana", "Ana 5678", "…1234", "007"]) assert.ok(named(name), name);
  assert.ok(!isUnnamed({ user_id: "u", name: "5678" }));
});

test("a1_a_server_out_of_reach_is_asked_again_by_itself", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const info = { sign_in: ["phone"], pin_digits: 6 };
  let asked = 0;
  t.mock.method(globalThis, "fetch", async () => {
    asked += 1;
    if (asked === 1) throw new TypeError("the network has changed");
    return new Response(JSON.stringify(info), { headers: { "content-type": "application/json" } });
  });
  const page = globalThis as { location?: unknown };
  page.location = { origin: "https://calls.example" };
  t.after(() => delete page.location);
  let heard: (() => void) | undefined;
  const entry = new SignIn(
    async () => undefined,
    () => heard?.(),
  );
  await entry.ask();
  assert.ok(entry.unreachable && !entry.step);
  const known = new Promise<void>((resolve) => (heard = resolve));
  t.mock.timers.tick(5_000);
  await known;
  assert.deepEqual([asked, entry.unreachable, entry.step], [2, false, "phone"]);
});
