// What people see, at the size of a phone and of a desktop: pictures to look at, and nothing serious for axe to find.

import { looksGood, SIZES } from "../good.mjs";
import { scenario } from "../harness.mjs";

for (const [size, viewport] of Object.entries(SIZES)) {
  scenario(`c2_pages_are_accessible_at_${size}_size`, async (world) => {
    const check = (person, page) => looksGood(person, `${size}-${page}`);
    const alice = await world.device("Alice", "left", { viewport });
    const bob = await world.device("Bob", "right", { viewport });
    await alice.open();
    await alice.sees("sign-in-name");
    await check(alice, "sign-in");
    await Promise.all([alice.signIn(), bob.signIn()]);
    await alice.sees(`person-${bob.userId}`);
    await check(alice, "people");
    await alice.calls(bob, "video");
    await bob.rings();
    await check(bob, "incoming");
    await check(alice, "outgoing");
    await bob.accepts();
    await Promise.all([alice.seesCameraOf(bob), bob.seesCameraOf(alice)]);
    await check(alice, "in-video-call");
    await alice.hangsUp();
    await Promise.all([alice.isFree(), bob.isFree()]);
    await alice.calls(bob, "voice");
    await bob.accepts();
    await alice.isInCall();
    await check(alice, "in-voice-call");
    await alice.hangsUp();
    await alice.isFree();
    if (size === "phone") await alice.click("tab-recent");
    await alice.sees("recent-calls");
    await check(alice, "recent-calls");
  });
}
