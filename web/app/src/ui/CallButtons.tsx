// The two buttons that call somebody.

import type { Store } from "../store.js";
import { Icon } from "./Icon.js";

interface Props {
  store: Store;
  name: string;
  busy?: boolean;
  onCall: (video: boolean) => void;
}

export function CallButtons({ store, name, busy = false, onCall }: Props) {
  return (
    <>
      <button
        type="button"
        class="round tint"
        data-testid="call-voice"
        aria-label={`Call ${name} by voice`}
        title="Voice call"
        disabled={store.displaced || busy}
        onClick={() => onCall(false)}
      >
        <Icon name="phone" size={20} />
      </button>
      <button
        type="button"
        class="round tint"
        data-testid="call-video"
        aria-label={`Call ${name} by video`}
        title="Video call"
        disabled={store.displaced || busy}
        onClick={() => onCall(true)}
      >
        <Icon name="camera" size={22} />
      </button>
    </>
  );
}
