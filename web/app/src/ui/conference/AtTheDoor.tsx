// Who waits to be let into the call: for its hosts, over the pictures, and in the list of people.

import { useEffect, useRef } from "preact/hooks";
import type { Conference, Person } from "@tertulia/sdk";
import { noteMessage } from "../../attention.js";
import { playKnock } from "../../sound.js";
import type { Store } from "../../store.js";
import { sayNames } from "../../words-conference.js";
import { sayKnocks } from "../../words-links.js";
import { Avatar } from "../Avatar.js";

interface Props {
  store: Store;
  conference: Conference;
}

/** Fewer requests a second than the server takes of one device. */
const EVERY_MS = 70;

function answer({ store, conference }: Props, person: Person, admit: boolean): Promise<boolean> {
  return store.calls.attempt(conference.admit(person.user_id, admit));
}

/** One after the other; where one can't come in, the next can't either. */
async function admitAll(props: Props): Promise<void> {
  for (const person of props.conference.waiting) {
    if (!(await answer(props, person, true))) return;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

/** It takes no focus: what one was about to press stays under the finger. */
export function AtTheDoor({ store, conference, seeAll }: Props & { seeAll: () => void }) {
  const { waiting } = conference;
  const [first] = waiting;
  if (!first) return null;
  const props = { store, conference };
  if (waiting.length > 1) {
    return (
      <div class="strip knock" role="group" aria-label="People who wait to be let in" data-testid="knock">
        <p>
          <strong data-testid="knock-text">{waiting.length} are waiting</strong>
          <span>{sayNames(waiting.map(({ name }) => name))}</span>
        </p>
        <div class="strip-foot">
          <button type="button" class="strip-button" data-testid="knock-see" onClick={seeAll}>
            See who
          </button>
          <button type="button" class="strip-button go" data-testid="knock-admit-all" onClick={() => void admitAll(props)}>
            Admit all
          </button>
        </div>
      </div>
    );
  }
  return (
    <div class="strip knock" role="group" aria-label="Somebody waits to be let in" data-testid="knock">
      <Avatar id={first.user_id} name={first.name} />
      <p>
        <strong data-testid="knock-text">{first.name}</strong>
        <span>wants to join</span>
      </p>
      <Answers {...props} person={first} />
    </div>
  );
}

function Answers({ person, ...props }: Props & { person: Person }) {
  return (
    <div class="strip-foot">
      <button
        type="button"
        class="strip-button"
        data-testid="turn-away"
        aria-label={`Turn away ${person.name}`}
        onClick={() => void answer(props, person, false)}
      >
        Turn away
      </button>
      <button
        type="button"
        class="strip-button go"
        data-testid="admit"
        aria-label={`Admit ${person.name}`}
        onClick={() => void answer(props, person, true)}
      >
        Admit
      </button>
    </div>
  );
}

/** The same in the list of people, each with a name. */
export function WaitingRows({ store, conference }: Props) {
  const { waiting } = conference;
  if (waiting.length === 0) return null;
  const props = { store, conference };
  return (
    <section aria-labelledby="waiting-title">
      <div class="waiting-head">
        <h3 id="waiting-title">Waiting to be let in</h3>
        {waiting.length > 1 && (
          <button type="button" class="strip-button" data-testid="admit-all" onClick={() => void admitAll(props)}>
            Admit all
          </button>
        )}
      </div>
      <ul class="roster-rows" data-testid="knocking">
        {waiting.map((person) => (
          <li key={person.user_id} class="roster-row" data-testid={`knocks-${person.user_id}`}>
            <Avatar id={person.user_id} name={person.name} />
            <span class="who">
              <span class="name">{person.name}</span>
            </span>
            <Answers {...props} person={person} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Says who has come to the door: to screen readers, and to whoever looks elsewhere. */
export function useKnocks(store: Store, conference: Conference): void {
  const known = useRef<ReadonlySet<string>>(new Set());
  const { waiting } = conference;
  useEffect(() => {
    const came = waiting.filter(({ user_id: id }) => !known.current.has(id));
    known.current = new Set(waiting.map(({ user_id: id }) => id));
    if (came.length === 0) return;
    const text = sayKnocks(came.map(({ name }) => name));
    store.announce(`${text}. Admit them or turn them away`);
    playKnock();
    const call = store.calls.current;
    if (call) noteMessage(store.calls.titleOf(call), text, () => undefined);
  }, [waiting]);
}
