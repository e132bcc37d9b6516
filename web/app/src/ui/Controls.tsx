// What one can do in a call, in one row.

import { useEffect, useState } from "preact/hooks";
import { devices, type Call } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { DeviceMenu } from "./DeviceMenu.js";
import { Icon, type IconName } from "./Icon.js";

const CAN_SHARE = typeof navigator.mediaDevices?.getDisplayMedia === "function";
const IS_TOUCH = matchMedia("(pointer: coarse)").matches;

export function Controls({ store, call, add }: { store: Store; call: Call; add: () => void }) {
  const [menu, setMenu] = useState(false);
  const canFlip = useCanFlip(call.media.camera);
  return (
    <div class="controls" role="toolbar" aria-label="Call controls">
      <Sources call={call} flips={canFlip} />
      {call.answeredAt !== undefined && (
        <Control
          icon={call.held ? "resume" : "pause"}
          label={call.held ? "Go on" : "Hold"}
          testId="hold"
          lit={call.held}
          hint="h"
          onClick={() => store.calls.hold(!call.held)}
        />
      )}
      {call.answeredAt !== undefined && (
        <Control icon="addPerson" label="Add" name="Add people" testId="add-people" onClick={add} />
      )}
      <div class="menu-anchor">
        <Control icon="tune" label="Devices" testId="devices" expanded={menu} onClick={() => setMenu(!menu)} />
        {menu && <DeviceMenu store={store} call={call} close={() => setMenu(false)} />}
      </div>
      <Control icon="hangup" label="Hang up" testId="hangup" class="end" onClick={() => call.hangup()} />
    </div>
  );
}

/** What one sends: voice, picture, screen. */
export function Sources({ call, flips = false }: { call: Call; flips?: boolean }) {
  const { mic, camera, screen } = call.media;
  return (
    <>
      <Control
        icon={mic ? "mic" : "micOff"}
        label="Mute"
        testId="mute"
        pressed={!mic}
        off={!mic}
        hint="m"
        onClick={() => void call.setMic(!mic)}
      />
      <Control
        icon={camera ? "camera" : "cameraOff"}
        label="Camera"
        testId="camera"
        pressed={camera}
        off={!camera}
        hint="v"
        onClick={() => void call.setCamera(!camera)}
      />
      {flips && <Control icon="flip" label="Flip" testId="flip" onClick={() => void call.flipCamera()} />}
      {CAN_SHARE && (
        <Control
          icon="screen"
          label="Share"
          name="Share your screen"
          testId="screen"
          pressed={screen}
          lit={screen}
          onClick={() => void call.shareScreen(!screen)}
        />
      )}
    </>
  );
}

interface ControlProps {
  icon: IconName;
  /** Shown below; also the name, if there is no other. */
  label: string;
  name?: string;
  testId: string;
  class?: string;
  pressed?: boolean;
  expanded?: boolean;
  off?: boolean;
  lit?: boolean;
  hint?: string;
  /** Shown at its corner. */
  count?: number;
  onClick: () => void;
}

export function Control(props: ControlProps) {
  const { icon, label, name, testId, pressed, expanded, off, lit, hint, count, onClick } = props;
  const classes = ["control", props.class, off && "is-off", lit && "is-lit"].filter(Boolean).join(" ");
  return (
    <button
      type="button"
      class={classes}
      data-testid={testId}
      aria-label={name}
      aria-pressed={pressed}
      aria-expanded={expanded}
      aria-keyshortcuts={hint}
      title={hint ? `${name ?? label} (${hint})` : (name ?? label)}
      onClick={onClick}
    >
      <span class="disc">
        <Icon name={icon} />
        {count !== undefined && <span class="count">{count}</span>}
      </span>
      <span class="label">{label}</span>
    </button>
  );
}

/** Telephones with two cameras, once the camera is on: only then are the cameras known. */
export function useCanFlip(camera: boolean): boolean {
  const [can, setCan] = useState(false);
  useEffect(() => {
    if (!camera || !IS_TOUCH) setCan(false);
    else void devices().then(({ cameras }) => setCan(cameras.length > 1));
  }, [camera]);
  return can;
}
