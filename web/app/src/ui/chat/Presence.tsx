// Under a conversation's name: who types, who is here, when they last were. What screen readers hear of it is less.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Store } from "../../store.js";
import { sayPresence, sayPresenceBriefly, sayPresenceOf } from "../../words-presence.js";

/** So often at most a change is read out. */
const SAID_EVERY_MS = 20_000;

interface Props {
  store: Store;
  chat: string;
  name: string;
  /** In a conversation with one person: who. */
  user: string | undefined;
  /** What stands there else. */
  about: string | undefined;
}

export function PresenceLine({ store, chat, name, user, about }: Props) {
  const typing = store.here.typing(chat);
  const presence = user === undefined ? undefined : store.here.of(user);
  const shown = typing ?? (presence && sayPresence(presence)) ?? about;
  const brief = typing ?? (presence && sayPresenceBriefly(presence)) ?? about;
  return (
    <>
      {shown && (
        <span class={typing ? "about typing" : "about"} data-testid="presence-line">
          {brief === shown ? (
            shown
          ) : (
            <>
              <span class="wide-only">{shown}</span>
              <span class="narrow-only">{brief}</span>
            </>
          )}
        </span>
      )}
      {user !== undefined && <Spoken key={chat} store={store} name={name} user={user} />}
    </>
  );
}

/** Whether the person is here, read out when it changes, and not with every change. */
function Spoken({ store, name, user }: { store: Store; name: string; user: string }) {
  const presence = store.here.of(user);
  const online = presence?.online ?? false;
  const [said, setSaid] = useState("");
  const last = useRef({ online, at: Date.now() });
  useEffect(() => {
    if (online === last.current.online) return;
    const timer = setTimeout(() => {
      last.current = { online, at: Date.now() };
      setSaid(sayPresenceOf(name, presence));
    }, Math.max(0, last.current.at + SAID_EVERY_MS - Date.now()));
    return () => clearTimeout(timer);
  }, [online]);
  return (
    <span class="hidden" role="status">
      {said}
    </span>
  );
}
