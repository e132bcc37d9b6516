// Who may see that one is here, and when one last was.

import type { Audience, SettingsPatch } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { AUDIENCES } from "../words-presence.js";

export function Privacy({ store }: { store: Store }) {
  const { settings } = store.mine;
  return (
    <section class="panel privacy" aria-labelledby="privacy-title" data-testid="privacy">
      <div class="panel-head">
        <h2 id="privacy-title">Who can see</h2>
      </div>
      <p class="say">What you show to nobody, you see of nobody. Whom you have blocked sees nothing of you.</p>
      <Choice store={store} id="online" label="When you are online" value={settings.online} />
      <Choice store={store} id="last_seen" label="When you were last seen" value={settings.last_seen} />
    </section>
  );
}

interface ChoiceProps {
  store: Store;
  id: keyof Pick<SettingsPatch, "online" | "last_seen">;
  label: string;
  value: Audience;
}

function Choice({ store, id, label, value }: ChoiceProps) {
  return (
    <div class="choice-line">
      <label for={`privacy-${id}`}>{label}</label>
      <select
        id={`privacy-${id}`}
        class="field"
        data-testid={`privacy-${id}`}
        value={value}
        onChange={(event) => void store.mine.showTo({ [id]: event.currentTarget.value as Audience })}
      >
        {AUDIENCES.map(([audience, text]) => (
          <option key={audience} value={audience}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
