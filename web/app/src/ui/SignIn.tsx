import { useEffect, useRef, useState } from "preact/hooks";
import { lastName } from "../account.js";
import type { Store } from "../store.js";
import { Logo } from "./Icon.js";
import { Table } from "./Table.js";

export function SignIn({ store }: { store: Store }) {
  const byToken = store.signInWith === "token";
  return (
    <main class="sign-in">
      <div class="welcome" aria-hidden="true">
        <Table />
      </div>
      <section class="card" aria-labelledby="sign-in-title">
        <div class="brand">
          <Logo size={44} />
          <span>Tertulia</span>
        </div>
        <h1 id="sign-in-title">{byToken ? "Sign in with a token" : "Pull up a chair"}</h1>
        {byToken ? <TokenForm store={store} /> : <NameForm store={store} />}
        {!store.nameRefused && (
          <button type="button" class="link" onClick={() => store.chooseSignIn(byToken ? "name" : "token")}>
            {byToken ? "Sign in by name" : "I have a token"}
          </button>
        )}
      </section>
    </main>
  );
}

function NameForm({ store }: { store: Store }) {
  const [name, setName] = useState(lastName());
  const [busy, setBusy] = useState(false);
  const input = useFocus();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (name.trim() !== "") {
      setBusy(true);
      await store.signInByName(name.trim());
      setBusy(false);
    }
    input.current?.focus();
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <p class="lead">Good conversation, by voice or face to face, on a server of your own.</p>
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
        aria-describedby={store.signInError ? "sign-in-error" : undefined}
      />
      <Problem text={store.signInError} />
      <button type="submit" class="primary" data-testid="sign-in-submit" disabled={busy}>
        {busy ? "One moment…" : "Come in"}
      </button>
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
        void store.signInByToken(token.trim());
      }}
    >
      <p class="lead">
        {store.nameRefused
          ? "On this server a name is not enough. Paste the token that your app, or whoever runs the server, has given you."
          : "Paste the token that your app, or whoever runs the server, has given you."}
      </p>
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
        aria-describedby={store.signInError ? "sign-in-error" : undefined}
      />
      <Problem text={store.signInError} />
      <button type="submit" class="primary" data-testid="sign-in-token-submit">
        Sign in
      </button>
    </form>
  );
}

function Problem({ text }: { text: string | undefined }) {
  return (
    <p id="sign-in-error" class="problem" role="alert">
      {text}
    </p>
  );
}

/** The one field of the page takes the focus, where that opens no keyboard over half of it. */
function useFocus() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) input.current?.focus();
  }, []);
  return input;
}
