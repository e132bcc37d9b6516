// Signing in by phone: the number, then the PIN that was sent to it.

import { useEffect, useState } from "preact/hooks";
import { internationalNumber, likelyRegion, spacedNumber } from "../phone.js";
import type { Store } from "../store.js";
import { clock } from "../words.js";
import { PhoneField } from "./PhoneField.js";
import { Lead, Problem, PROBLEM, Submit, useFocus } from "./SignIn.js";
import { useNow } from "./hooks.js";

export function PhoneForm({ store }: { store: Store }) {
  const { entry } = store;
  const [number, setNumber] = useState(entry.typed.number);
  const [region, setRegion] = useState(
    entry.typed.region || likelyRegion(entry.info?.phone_region, navigator.languages),
  );
  const input = useFocus();
  const problem = entry.tried === "demo" ? undefined : entry.problem;
  const submit = async (event: Event) => {
    event.preventDefault();
    const phone = internationalNumber(number, region);
    entry.typed = { number, region };
    if (phone !== undefined) await entry.sendPin(phone);
    input.current?.focus();
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Lead />
      <label for="phone">Your phone number</label>
      <PhoneField
        id="phone"
        testId="sign-in-phone"
        number={number}
        region={region}
        inputRef={input}
        describedBy={PROBLEM}
        invalid={problem !== undefined}
        onChange={(to, of) => {
          setNumber(to);
          setRegion(of);
        }}
      />
      <Problem text={problem} />
      <Submit store={store} testId="sign-in-phone-submit" label="Send me a PIN" />
    </form>
  );
}

export function PinForm({ store }: { store: Store }) {
  const { entry } = store;
  const { pin: sent, problem } = entry;
  const digits = entry.info?.pin_digits ?? 6;
  const [pin, setPin] = useState("");
  const [unlink, setUnlink] = useState(false);
  const input = useFocus();
  // A PIN that was wrong is written anew, not mended.
  useEffect(() => {
    if (problem === undefined) return;
    setPin("");
    input.current?.focus();
  }, [problem]);
  const verify = (digitsTyped: string) => {
    if (digitsTyped.length === digits) void entry.verifyPin(digitsTyped, unlink);
    else input.current?.focus();
  };
  const onInput = (event: { currentTarget: HTMLInputElement }) => {
    const typed = event.currentTarget.value.replace(/\D/g, "").slice(0, digits);
    event.currentTarget.value = typed;
    setPin(typed);
    // Pasted, or filled in by the telephone: there is nothing left to type.
    if (typed.length === digits && typed.length - pin.length > 1) verify(typed);
  };
  if (!sent) return null;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        verify(pin);
      }}
    >
      <p class="lead">
        We’ve sent a PIN of {digits} digits to <strong class="number">{spacedNumber(sent.phone)}</strong>.{" "}
        <button type="button" class="inline-link" data-testid="change-number" onClick={() => entry.go("phone")}>
          Change the number
        </button>
      </p>
      <label for="pin">PIN</label>
      <input
        id="pin"
        ref={input}
        class="pin"
        data-testid="sign-in-pin"
        inputMode="numeric"
        autocomplete="one-time-code"
        value={pin}
        onInput={onInput}
        pattern="[0-9]*"
        placeholder={"·".repeat(digits)}
        required
        aria-invalid={problem !== undefined}
        aria-describedby={PROBLEM}
      />
      <Problem text={problem} />
      <Submit store={store} testId="sign-in-pin-submit" label="Come in" />
      <label class="check">
        <input
          type="checkbox"
          data-testid="unlink-others"
          checked={unlink}
          onChange={(event) => setUnlink(event.currentTarget.checked)}
        />
        <span>
          Sign out all my other devices
          <small>If a device was lost, or the number was somebody else’s before.</small>
        </span>
      </label>
      <SendAgain store={store} until={sent.sentAt + sent.again_in_s * 1000} />
    </form>
  );
}

function SendAgain({ store, until }: { store: Store; until: number }) {
  const now = useNow(500);
  const phone = store.entry.pin?.phone;
  const left = until - now;
  if (phone === undefined) return null;
  return (
    <button
      type="button"
      class="link"
      data-testid="send-again"
      disabled={left > 0 || store.entry.busy}
      onClick={() => void store.entry.sendPin(phone)}
    >
      {left > 0 ? `Send it again in ${clock(left + 999)}` : "Send it again"}
    </button>
  );
}
