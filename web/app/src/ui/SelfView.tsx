// One's own picture in a call of two.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Call } from "@tertulia/sdk";
import { Video } from "./Stream.js";

/** One's own picture, mirrored as in a mirror; it can be dragged out of the way, to any corner. */
export function SelfView({ call }: { call: Call }) {
  const [corner, setCorner] = useState("bottom-right");
  const [stream] = useState(() => new MediaStream());
  const track = call.local.track("camera");
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    for (const old of stream.getTracks()) stream.removeTrack(old);
    if (track) stream.addTrack(track);
  }, [track]);
  const onPointerDown = (event: PointerEvent) => {
    const it = box.current;
    if (!it || event.button !== 0) return;
    const [x, y] = [event.clientX, event.clientY];
    it.setPointerCapture(event.pointerId);
    it.classList.add("dragged");
    const move = (to: PointerEvent) => (it.style.translate = `${to.clientX - x}px ${to.clientY - y}px`);
    const drop = () => {
      it.removeEventListener("pointermove", move);
      const here = it.getBoundingClientRect();
      const right = here.left + here.width / 2 > innerWidth / 2;
      const bottom = here.top + here.height / 2 > innerHeight / 2;
      it.style.translate = "";
      it.classList.remove("dragged");
      setCorner(`${bottom ? "bottom" : "top"}-${right ? "right" : "left"}`);
    };
    it.addEventListener("pointermove", move);
    it.addEventListener("lostpointercapture", drop, { once: true });
  };
  const front = track?.getSettings().facingMode !== "environment";
  return (
    <div
      class={`self ${corner} ${track ? "" : "off"} ${front ? "mirrored" : ""}`}
      ref={box}
      onPointerDown={onPointerDown}
    >
      <Video stream={stream} testId="self-video" label="Your own camera" hidden={!track} class="cover" />
    </div>
  );
}
