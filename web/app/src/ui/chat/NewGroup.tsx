// A new group: its name, and who is in it.

import { useState } from "preact/hooks";
import type { Person } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { Dialog } from "../Dialog.js";
import { Chooser } from "../media/Chooser.js";
import { withGroups } from "./GroupInfo.js";

export function NewGroup({ store, close }: { store: Store; close: () => void }) {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<Person[]>([]);
  const [busy, setBusy] = useState(false);
  const isIn = (person: Person) => chosen.some(({ user_id: id }) => id === person.user_id);
  const make = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const members = chosen.map(({ user_id: id }) => id);
    const made = await withGroups(store, (groups) => groups.create({ name: name.trim(), members }));
    setBusy(false);
    if (!made) return;
    close();
    const key = store.chats.api?.keyOfGroup(made.group_id);
    if (key !== undefined) store.openChat(key);
  };
  return (
    <Dialog store={store} title="New group" testId="new-group" close={close}>
      <form class="inline-form" onSubmit={(event) => void make(event)}>
        <label for="new-group-name">Its name</label>
        <div class="field-row">
          <input
            id="new-group-name"
            class="field"
            data-testid="new-group-name"
            value={name}
            maxLength={100}
            required
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <button type="submit" class="primary" data-testid="new-group-make" disabled={busy || name.trim() === ""}>
            Create
          </button>
        </div>
      </form>
      <p class="say" role="status">
        {chosen.length === 0 ? "Who is in it, beside you?" : `You and ${chosen.map((person) => person.name).join(", ")}`}
      </p>
      <Chooser
        store={store}
        verb="Add"
        choose={(person) => setChosen([...chosen, person])}
        instead={(person) =>
          isIn(person) ? (
            <button
              type="button"
              class="secondary small"
              aria-label={`Take out: ${person.name}`}
              onClick={() => setChosen(chosen.filter(({ user_id: id }) => id !== person.user_id))}
            >
              Take out
            </button>
          ) : undefined
        }
      />
    </Dialog>
  );
}
