// What one can do in a group call, in one row.

import { useState } from "preact/hooks";
import type { Call, Conference } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { Control, Sources } from "../Controls.js";
import { DeviceMenu } from "../DeviceMenu.js";
import { ReactionPicker } from "./Reactions.js";

interface Props {
  store: Store;
  call: Call;
  conference: Conference;
  people: boolean;
  showPeople: (shown: boolean) => void;
  raise: () => void;
  react: (emoji: string) => void;
}

export function ConferenceControls({ store, call, conference, people, showPeople, raise, react }: Props) {
  const [open, setOpen] = useState<"devices" | "react" | undefined>();
  const raised = conference.me?.entry.hand_at !== undefined;
  const close = () => setOpen(undefined);
  const toggle = (what: "devices" | "react") => setOpen(open === what ? undefined : what);
  return (
    <div class="controls" role="toolbar" aria-label="Call controls">
      <Sources call={call} />
      <Control
        icon="hand"
        label="Hand"
        name={raised ? "Take your hand down" : "Raise your hand"}
        testId="raise-hand"
        pressed={raised}
        lit={raised}
        hint="r"
        onClick={raise}
      />
      <div class="menu-anchor">
        <Control icon="smile" label="React" testId="react" expanded={open === "react"} onClick={() => toggle("react")} />
        {open === "react" && <ReactionPicker choose={react} close={close} />}
      </div>
      <Control
        icon="people"
        label="People"
        testId="people"
        expanded={people}
        hint="p"
        count={conference.members.length}
        onClick={() => showPeople(!people)}
      />
      <div class="menu-anchor">
        <Control icon="tune" label="Devices" testId="devices" expanded={open === "devices"} onClick={() => toggle("devices")} />
        {open === "devices" && <DeviceMenu store={store} call={call} close={close} />}
      </div>
      <Control icon="hangup" label="Leave" name="Leave the call" testId="hangup" class="end" onClick={() => call.hangup()} />
    </div>
  );
}
