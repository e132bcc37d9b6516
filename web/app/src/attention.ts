// Tells someone who looks elsewhere that a call is coming: the tab's title, and a notification where it is allowed.

const TITLE = "Tertulia";
let flashing: ReturnType<typeof setInterval> | undefined;
let shown: Notification | undefined;

export function callForAttention(who: string, video: boolean): void {
  stopCalling();
  const text = `${who} is calling`;
  let on = true;
  document.title = `● ${text}`;
  flashing = setInterval(() => {
    on = !on;
    document.title = on ? `● ${text}` : TITLE;
  }, 1_000);
  // Before the first touch browsers refuse, and say so in the console.
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([300, 200, 300]);
  if (document.visibilityState === "visible" || !mayNotify()) return;
  try {
    shown = new Notification(text, {
      body: video ? "Video call" : "Voice call",
      icon: "/icon.svg",
      tag: "tertulia-call",
    });
    shown.onclick = () => {
      window.focus();
      shown?.close();
    };
  } catch {
    // Some phones show notifications of service workers only.
  }
}

export function stopCalling(): void {
  clearInterval(flashing);
  flashing = undefined;
  document.title = TITLE;
  shown?.close();
  shown = undefined;
}

/** Shows who one is talking to, while that lasts. */
export function titleOf(peer: string | undefined): void {
  if (flashing === undefined) document.title = peer ? `${peer} · ${TITLE}` : TITLE;
}

export function mayNotify(): boolean {
  return "Notification" in window && Notification.permission === "granted";
}

export function canAskToNotify(): boolean {
  return "Notification" in window && Notification.permission === "default";
}
