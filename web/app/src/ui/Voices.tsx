// What is heard in a call: one element a line, for as long as the call lasts.

import { useCallback, useState } from "preact/hooks";
import type { Call } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { Audio } from "./Stream.js";

interface Sound {
  /** Some voice may not be played before a touch. */
  blocked: boolean;
  block: (play: () => void) => void;
  /** Plays all that was held back: call it from a touch. */
  unblock: () => void;
}

export function useSound(): Sound {
  const [held, setHeld] = useState<(() => void)[]>([]);
  const block = useCallback((play: () => void) => setHeld((before) => [...before, play]), []);
  const unblock = () => {
    for (const play of held) play();
    setHeld([]);
  };
  return { blocked: held.length > 0, block, unblock };
}

export function Voices({ store, call, sound }: { store: Store; call: Call; sound: Sound }) {
  const { volumes } = store.calls;
  const lines = call.conference?.lines ?? [];
  const first = lines[0]?.member;
  return (
    <>
      <Audio
        key="first"
        stream={call.remote.audio}
        speaker={store.prefer.speaker}
        volume={first && volumes.get(first.entry.user_id)}
        user={first?.entry.user_id}
        onBlocked={sound.block}
      />
      {lines.slice(1).map(({ mid, stream, member }) => (
        <Audio
          key={mid}
          testId={`remote-audio-${mid}`}
          stream={stream}
          speaker={store.prefer.speaker}
          volume={member && volumes.get(member.entry.user_id)}
          user={member?.entry.user_id}
          onBlocked={sound.block}
        />
      ))}
    </>
  );
}

export function SoundButton({ sound }: { sound: Sound }) {
  if (!sound.blocked) return null;
  return (
    <button type="button" class="primary small" onClick={sound.unblock}>
      Turn the sound on
    </button>
  );
}
