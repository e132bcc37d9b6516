// Microphone, camera and speaker of a call.

import { useEffect, useState } from "preact/hooks";
import { devices, type Call, type LocalMedia } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { useDismiss } from "./hooks.js";

type Devices = Awaited<ReturnType<typeof devices>>;

const CAN_CHOOSE_SPEAKER = "setSinkId" in HTMLMediaElement.prototype;

/** Which microphone, camera and speaker. The choice is kept for later calls. */
export function DeviceMenu({ store, call, close }: { store: Store; call: Call; close: () => void }) {
  const box = useDismiss(true, close);
  const { prefer } = store;
  return (
    <div class="popover menu" ref={box} tabIndex={-1} role="dialog" aria-label="Devices">
      <DeviceChoices store={store} local={call.local} />
      <label class="check">
        <input
          type="checkbox"
          data-testid="original-sound"
          checked={prefer.originalSound === true}
          onChange={(event) => {
            const on = event.currentTarget.checked;
            store.setPreference({ originalSound: on });
            void call.local.setOriginalSound(on);
          }}
        />
        <span>
          Original sound
          <small>For music: no noise or echo removal. Wear headphones.</small>
        </span>
      </label>
    </div>
  );
}

/** The same three, wherever they are chosen. Absent: nothing is open yet. */
export function DeviceChoices({ store, local }: { store: Store; local: LocalMedia | undefined }) {
  const { prefer } = store;
  const [mic, camera] = [local?.track("mic"), local?.track("camera")];
  // What they are called is known once one of them is open.
  const known = useDevices(`${mic !== undefined} ${camera !== undefined}`);
  return (
    <>
      <Choice
        label="Microphone"
        devices={known?.microphones}
        chosen={mic?.getSettings().deviceId ?? prefer.microphone}
        onChoose={(id) => {
          store.setPreference({ microphone: id });
          void local?.switchMicrophone(id);
        }}
      />
      <Choice
        label="Camera"
        devices={known?.cameras}
        chosen={camera?.getSettings().deviceId ?? prefer.camera}
        onChoose={(id) => {
          store.setPreference({ camera: id });
          void local?.switchCamera(id);
        }}
      />
      {CAN_CHOOSE_SPEAKER && (
        <Choice
          label="Speaker"
          devices={known?.speakers}
          chosen={prefer.speaker ?? known?.speakers[0]?.deviceId}
          onChoose={(id) => store.setPreference({ speaker: id })}
        />
      )}
    </>
  );
}

interface ChoiceProps {
  label: string;
  devices: MediaDeviceInfo[] | undefined;
  chosen: string | undefined;
  onChoose: (id: string) => void;
}

function Choice({ label, devices, chosen, onChoose }: ChoiceProps) {
  const none = devices !== undefined && devices.length === 0;
  return (
    <label class="choice">
      {label}
      <select value={chosen ?? devices?.[0]?.deviceId ?? ""} disabled={none} onChange={(event) => onChoose(event.currentTarget.value)}>
        {none && <option value="">None found</option>}
        {(devices ?? []).map((device, n) => (
          <option key={device.deviceId} value={device.deviceId}>
            {device.label || `${label} ${n + 1}`}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The devices there are, also when one is plugged in meanwhile. */
function useDevices(opened: string): Devices | undefined {
  const [known, setKnown] = useState<Devices | undefined>();
  useEffect(() => {
    const look = () => void devices().then(setKnown);
    look();
    navigator.mediaDevices?.addEventListener("devicechange", look);
    return () => navigator.mediaDevices?.removeEventListener("devicechange", look);
  }, [opened]);
  return known;
}
