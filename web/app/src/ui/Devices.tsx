// The devices of an account: which they are, and how another one comes in.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Device } from "@tertulia/sdk";
import type { Store } from "../store.js";
import { ago } from "../words.js";
import { Confirm, Dialog } from "./Dialog.js";
import { Icon } from "./Icon.js";
import { useNow } from "./hooks.js";

export function Devices({ store }: { store: Store }) {
  const { devices } = store.mine;
  const [linking, setLinking] = useState(false);
  const [ending, setEnding] = useState<Device | undefined>();
  const mine = devices?.find((device) => device.device_id === store.account?.deviceId);
  useEffect(() => void store.mine.loadDevices(), []);
  useNow(30_000);
  return (
    <section class="panel" aria-labelledby="devices-title" data-testid="devices-list">
      <div class="panel-head">
        <h2 id="devices-title">Devices</h2>
        {devices && <span class="count">{devices.length}</span>}
      </div>
      <ul class="rows">
        {(devices ?? []).map((device) => (
          <Row
            key={device.device_id}
            store={store}
            device={device}
            isThis={device === mine}
            // A linked device may end its own access only, and does that by signing out.
            onEnd={mine?.primary && device !== mine ? () => setEnding(device) : undefined}
          />
        ))}
      </ul>
      <button type="button" class="primary wide" data-testid="link-device" onClick={() => setLinking(true)}>
        <Icon name="link" size={20} /> Link a device
      </button>
      {linking && <EnterCode store={store} close={() => setLinking(false)} />}
      {ending && (
        <Confirm
          store={store}
          title="Sign this device out?"
          testId="unlink-sure"
          verb="Sign it out"
          onConfirm={() => void store.mine.unlink(ending)}
          close={() => setEnding(undefined)}
        >
          <p>
            “{ending.name}” won’t ring or place calls as you any more; a call it is in ends. To come back it has to be
            linked again.
          </p>
        </Confirm>
      )}
    </section>
  );
}

interface RowProps {
  store: Store;
  device: Device;
  isThis: boolean;
  onEnd: (() => void) | undefined;
}

function Row({ store, device, isThis, onEnd }: RowProps) {
  const { name, primary, online, seen_at: seen, linked_at: linked } = device;
  const local = (at: number) => store.client?.localTime(at) ?? at;
  const when = online ? "Online" : seen === undefined ? `Linked ${ago(local(linked))}` : `Seen ${ago(local(seen))}`;
  return (
    <li class="row" data-testid={`device-${device.device_id}`}>
      <span class={online ? "sign on" : "sign"} aria-hidden="true">
        <Icon name="device" />
      </span>
      <span class="who">
        <span class="name">{name}</span>
        <span class="about">
          {isThis ? "This device · " : ""}
          {primary ? "Main · " : ""}
          {when}
        </span>
      </span>
      {onEnd && (
        <button
          type="button"
          class="secondary small"
          data-testid="unlink"
          aria-label={`Sign out ${name}`}
          onClick={onEnd}
        >
          Sign out
        </button>
      )}
    </li>
  );
}

/** The code by hand, or by camera where the browser can read one. */
function EnterCode({ store, close }: { store: Store; close: () => void }) {
  const [code, setCode] = useState("");
  const [scanning, setScanning] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const ask = (text: string) => {
    if (text.trim() === "") return;
    close();
    void store.mine.askLink(text);
  };
  return (
    <Dialog store={store} title="Link a device" testId="link-code-dialog" close={close}>
      <p>
        On the new device open <strong class="number">{location.host}</strong>, choose “Link this device instead”, and
        type the code that it shows.
      </p>
      {scanning ? (
        <Scanner
          onFound={ask}
          onFailed={(why) => {
            setScanning(false);
            store.toast(why, "bad");
          }}
        />
      ) : (
        canScan() && (
          <button type="button" class="secondary wide" data-testid="scan" onClick={() => setScanning(true)}>
            <Icon name="scan" size={20} /> Scan its QR code
          </button>
        )
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask(code);
        }}
      >
        <label class="above" for="link-code">
          Code
        </label>
        <div class="field-row">
          <input
            id="link-code"
            ref={input}
            class="field number"
            data-testid="link-code-input"
            value={code}
            onInput={(event) => setCode(event.currentTarget.value)}
            placeholder="ABCD-EFGH"
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
          />
          <button type="submit" class="primary" data-testid="link-code-submit" disabled={code.trim() === ""}>
            Next
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface BarcodeReader {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
type BarcodeReaders = new (options: { formats: string[] }) => BarcodeReader;

function readers(): BarcodeReaders | undefined {
  return (window as { BarcodeDetector?: BarcodeReaders }).BarcodeDetector;
}

function canScan(): boolean {
  return readers() !== undefined && navigator.mediaDevices !== undefined;
}

/** Between two looks: often enough that nobody waits, seldom enough that a telephone stays cool. */
const LOOK_MS = 200;

function Scanner({ onFound, onFailed }: { onFound: (text: string) => void; onFailed: (why: string) => void }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const Reader = readers();
    let stream: MediaStream | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const look = async (reader: BarcodeReader) => {
      const found = video.current && (await reader.detect(video.current).catch(() => []));
      if (over) return;
      const text = found?.map(({ rawValue }) => rawValue).find((value) => value !== "");
      if (text) onFound(text);
      else timer = setTimeout(() => void look(reader), LOOK_MS);
    };
    const begin = async () => {
      if (!Reader) return;
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      } catch {
        if (!over) onFailed("The camera could not be opened. Type the code instead");
        return;
      }
      if (over || !video.current) {
        stop();
        return;
      }
      video.current.srcObject = stream;
      void look(new Reader({ formats: ["qr_code"] }));
    };
    const stop = () => stream?.getTracks().forEach((track) => track.stop());
    void begin();
    return () => {
      over = true;
      clearTimeout(timer);
      stop();
    };
  }, []);
  return (
    <video ref={video} class="scanner" aria-label="Camera: hold the QR code before it" autoPlay playsInline muted />
  );
}
