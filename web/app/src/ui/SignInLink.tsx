// This device asks to be linked: a code to scan or to type on a device that has the account.

import { linkAddress } from "../account.js";
import type { Linking } from "../sign-in.js";
import type { Store } from "../store.js";
import { clock } from "../words.js";
import { Icon } from "./Icon.js";
import { QrCode } from "./QrCode.js";
import { Problem } from "./SignIn.js";
import { useNow } from "./hooks.js";

export function LinkForm({ store }: { store: Store }) {
  const { linking, linkPaused, problem } = store.entry;
  return (
    <div class="linking">
      <p class="lead">
        On a device where you are signed in, scan this, or open <strong>Settings</strong>, then{" "}
        <strong>Link a device</strong>, and type the code.
      </p>
      {linking && <Code linking={linking} />}
      {!linking && !linkPaused && (
        <p class="waiting" role="status">
          <span class="spinner" aria-hidden="true" /> One moment…
        </p>
      )}
      <Problem text={problem} />
      {linkPaused && (
        <button type="button" class="primary" data-testid="link-again" onClick={() => store.entry.linkAgain()}>
          Show a new code
        </button>
      )}
    </div>
  );
}

function Code({ linking }: { linking: Linking }) {
  const now = useNow(500);
  const { code, seen } = linking;
  return (
    <>
      <div class={seen ? "link-card seen" : "link-card"}>
        <QrCode text={linkAddress(location.origin, code)} label={`QR code that says ${code}`} />
        {seen && (
          <span class="seen-mark" aria-hidden="true">
            <Icon name="check" size={44} />
          </span>
        )}
      </div>
      <p class="link-code" data-testid="link-code" aria-label={`Code ${[...code].join(" ")}`}>
        {code}
      </p>
      <p class="waiting" role="status">
        {seen ? "Someone has the code: confirm it on that device" : "Waiting for your other device"}
      </p>
      <p class="waiting timer" aria-hidden="true">
        A new code in {clock(linking.endsAt - now)}
      </p>
    </>
  );
}
