// A stream in a media element. The streams stay the same for a call; tracks come and go in them.

import { useEffect, useRef } from "preact/hooks";

interface VideoProps {
  stream: MediaStream | undefined;
  testId: string;
  label: string;
  class?: string;
  hidden?: boolean;
}

export function Video({ stream, testId, label, class: name = "", hidden = false }: VideoProps) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream ?? null;
  }, [stream]);
  // How the picture is cut is known only when its shape is, and changes when a telephone is turned.
  const fit = () => {
    const it = video.current;
    if (!it?.videoWidth || !it.clientWidth) return;
    const ratio = it.videoWidth / it.videoHeight / (it.clientWidth / it.clientHeight);
    it.classList.toggle("cover", ratio > 0.7 && ratio < 1.43);
  };
  useEffect(() => {
    const observer = new ResizeObserver(fit);
    if (video.current) observer.observe(video.current);
    return () => observer.disconnect();
  }, []);
  return (
    <video
      ref={video}
      class={hidden ? `${name} off` : name}
      data-testid={testId}
      aria-label={label}
      autoPlay
      playsInline
      muted
      onResize={fit}
      onLoadedMetadata={fit}
    />
  );
}

interface AudioProps {
  stream: MediaStream;
  speaker: string | undefined;
  onBlocked: (play: () => void) => void;
}

/** What the others say. Browsers may refuse to play it before the first click on a page: then `onBlocked` is told. */
export function Audio({ stream, speaker, onBlocked }: AudioProps) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const it = audio.current;
    if (!it) return;
    it.srcObject = stream;
    const play = () =>
      void it.play().catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "NotAllowedError") onBlocked(play);
      });
    play();
  }, [stream]);
  useEffect(() => {
    // Not in every browser; a speaker that is gone leaves the default one.
    if (speaker !== undefined) void audio.current?.setSinkId?.(speaker).catch(() => undefined);
  }, [speaker]);
  return <audio ref={audio} data-testid="remote-audio" autoPlay />;
}
