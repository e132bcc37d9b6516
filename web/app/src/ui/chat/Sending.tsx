// How far a file is, as a ring, with the button that takes it back in the middle.

import type { UploadProgress } from "@tertulia/sdk";
import { sayUpload } from "../../words-carried.js";
import { Icon } from "../Icon.js";

const RADIUS = 20;
const ROUND = 2 * Math.PI * RADIUS;

export function Sending({ progress, name, cancel }: { progress: UploadProgress; name: string; cancel: () => void }) {
  const { stage, done } = progress;
  return (
    <span class={`ring ${stage}`}>
      <svg viewBox="0 0 48 48" width="48" height="48" aria-hidden="true">
        <circle class="track" cx="24" cy="24" r={RADIUS} />
        <circle class="part" cx="24" cy="24" r={RADIUS} stroke-dasharray={`${Math.max(0.04, done) * ROUND} ${ROUND}`} />
      </svg>
      <span
        class="hidden"
        role="progressbar"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(done * 100)}
        aria-valuetext={sayUpload(progress)}
        data-testid="sending"
        data-stage={stage}
      />
      <button type="button" class="round" data-testid="cancel-upload" aria-label={`Cancel ${name}`} title="Cancel" onClick={cancel}>
        <Icon name="close" size={20} />
      </button>
    </span>
  );
}
