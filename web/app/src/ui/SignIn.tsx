// The door: every way in that this server knows, one at a time.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { lastName } from "../account.js";
import type { Step } from "../sign-in.js";
import type { Store } from "../store.js";
import { Logo } from "./Icon.js";
import { Insecure } from "./Insecure.js";
import { LinkForm } from "./SignInLink.js";
import { PhoneForm, PinForm } from "./SignInPhone.js";
import { Table } from "./Table.js";

const TITLES: Record<Step, string> = {
  phone: "Pull up a chair",
  demo: "Pull up a chair",
  token: "Sign in with a token",
  pin: "Check your messages",
  link: "Link this device",
};

/** What leads to each way from the others. */
const LEADS: Partial<Record<Step, string>> = {
  phone: "Sign in by phone number",
  link: "Link this device instead",
  demo: "Sign in by name",
  token: "I have a token",
};

export function SignIn({ store }: { store: Store }) {
  const { entry } = store;
  const { step } = entry;
  useEffect(() => void entry.ask(), []);
  if (!step) return <Knocking store={store} />;
  // A demo is there to be tried: the way that needs no telephone is not hidden behind a link.
  const beside = step === "phone" && entry.ways.includes("demo");
  return (
    <Door title={TITLES[step]} compact={beside || step === "pin" || step === "link"}>
      <Insecure />
      {entry.notice && (
        <p class="hint" role="status">
          {entry.notice}
        </p>
      )}
      {store.door.token !== undefined && (
        <p class="hint" data-testid="sign-in-for-call">
          You were sent a link to a call. Sign in, and you come to its door.
        </p>
      )}
      {store.mine.linkAsked && <p class="hint">To link the other device, sign in here first.</p>}
      {step === "phone" && <PhoneForm store={store} />}
      {step === "pin" && <PinForm store={store} />}
      {step === "link" && <LinkForm store={store} />}
      {step === "demo" && <NameForm store={store} />}
      {beside && (
        <>
          <p class="or">or, as this is a demo, by name alone</p>
          <NameForm store={store} beside />
        </>
      )}
      {step === "token" && <TokenForm store={store} />}
      <OtherWays store={store} step={step} shown={beside ? "demo" : undefined} />
    </Door>
  );
}

interface DoorProps {
  title: string;
  /** There is much to show: on a telephone the table makes room. */
  compact?: boolean;
  children: ComponentChildren;
}

/** The page around what is asked before one is in. */
export function Door({ title, compact = false, children }: DoorProps) {
  return (
    <main class={compact ? "sign-in compact" : "sign-in"}>
      <div class="welcome" aria-hidden="true">
        <Table />
      </div>
      <section class="card" aria-labelledby="sign-in-title">
        <div class="brand">
          <Logo size={44} />
          <span>Tertulia</span>
        </div>
        <h1 id="sign-in-title">{title}</h1>
        {children}
      </section>
    </main>
  );
}

/** Until the server has said which ways there are. */
function Knocking({ store }: { store: Store }) {
  const { unreachable } = store.entry;
  return (
    <Door title="Pull up a chair">
      <p class="lead" role="status">
        {unreachable ? "The server can’t be reached. Are you online?" : "One moment…"}
      </p>
      {unreachable && (
        <button type="button" class="primary" onClick={() => void store.entry.ask()}>
          Try again
        </button>
      )}
    </Door>
  );
}

function OtherWays({ store, step, shown }: { store: Store; step: Step; shown: Step | undefined }) {
  const { ways } = store.entry;
  const known: Step[] = ways.flatMap((way): Step[] => (way === "phone" ? ["phone", "link"] : [way]));
  const others = known.filter((way) => way !== step && way !== shown && !(step === "pin" && way !== "link"));
  if (others.length === 0) return null;
  return (
    <div class="other-ways">
      {others.map((way) => (
        <button
          key={way}
          type="button"
          class="link"
          data-testid={`sign-in-by-${way}`}
          onClick={() => store.entry.go(way)}
        >
          {LEADS[way]}
        </button>
      ))}
    </div>
  );
}

function NameForm({ store, beside = false }: { store: Store; beside?: boolean }) {
  const [name, setName] = useState(lastName());
  const input = useFocus(!beside);
  const problem = beside && store.entry.tried !== "demo" ? undefined : store.entry.problem;
  const submit = async (event: Event) => {
    event.preventDefault();
    if (name.trim() !== "") await store.entry.byName(name.trim());
    input.current?.focus();
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      {!beside && <Lead />}
      <label for="name">What shall we call you?</label>
      <input
        id="name"
        ref={input}
        data-testid="sign-in-name"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
        autocomplete="nickname"
        maxLength={40}
        required
        placeholder="Your name"
        aria-describedby="name-problem"
      />
      <Problem id="name-problem" text={problem} />
      <Submit store={store} testId="sign-in-submit" label="Come in" second={beside} />
    </form>
  );
}

function TokenForm({ store }: { store: Store }) {
  const [token, setToken] = useState("");
  const input = useFocus();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void store.entry.byToken(token.trim());
      }}
    >
      <p class="lead">Paste the token that your app, or whoever runs the server, has given you.</p>
      <label for="token">Token</label>
      <input
        id="token"
        ref={input}
        data-testid="sign-in-token"
        type="password"
        value={token}
        onInput={(event) => setToken(event.currentTarget.value)}
        autocomplete="off"
        spellcheck={false}
        required
        aria-describedby={PROBLEM}
      />
      <Problem text={store.entry.problem} />
      <Submit store={store} testId="sign-in-token-submit" label="Sign in" />
    </form>
  );
}

/** A new account's first question: until now it is called by the end of its number. */
export function FirstName({ store }: { store: Store }) {
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const input = useFocus();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (name.trim() === "") return;
    setBusy(true);
    await store.mine.rename(name.trim());
    setBusy(false);
  };
  return (
    <Door title="What shall we call you?">
      <form onSubmit={(event) => void submit(event)}>
        <p class="lead">This is what people see when you call them. You can change it at any time.</p>
        <label for="first-name">Your name</label>
        <input
          id="first-name"
          ref={input}
          data-testid="account-name"
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
          autocomplete="name"
          maxLength={40}
          required
        />
        <p class="problem" />
        <button type="submit" class="primary" data-testid="account-name-submit" disabled={busy}>
          {busy ? "One moment…" : "Come in"}
        </button>
      </form>
      <div class="other-ways">
        <button type="button" class="link" data-testid="account-name-skip" onClick={() => store.mine.skipName()}>
          Later
        </button>
      </div>
    </Door>
  );
}

export const PROBLEM = "sign-in-error";

export function Lead() {
  return <p class="lead">Good conversation, by voice or face to face, on a server of your own.</p>;
}

export function Problem({ text, id = PROBLEM }: { text: string | undefined; id?: string }) {
  return (
    <p id={id} class="problem" role="alert" data-testid="sign-in-problem">
      {text}
    </p>
  );
}

interface SubmitProps {
  store: Store;
  testId: string;
  label: string;
  /** There is another, which comes first. */
  second?: boolean;
}

export function Submit({ store, testId, label, second = false }: SubmitProps) {
  const { busy } = store.entry;
  return (
    <button type="submit" class={second ? "secondary wide" : "primary"} data-testid={testId} disabled={busy}>
      {busy ? "One moment…" : label}
    </button>
  );
}

/** The one field of the page takes the focus, where that opens no keyboard over half of it. */
export function useFocus(wanted = true) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (wanted && matchMedia("(hover: hover)").matches) input.current?.focus();
  }, []);
  return input;
}
