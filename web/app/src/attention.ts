// Tells someone who looks elsewhere that a call or a message is coming: the tab's title, and a notification where it is allowed.

const NAME = "Tertulia";
/** What the tab is called when nothing else is to be said. */
let title = NAME;
let talkingTo: string | undefined;
/** How much of a message a notification shows. */
const NOTE_CHARS_MAX = 120;
let flashing: ReturnType<typeof setInterval> | undefined;
let shown: Notification | undefined;

export function callForAttention(who: string, video: boolean): void {
  stopCalling();
  const text = `${who} is calling`;
  let on = true;
  document.title = `● ${text}`;
  flashing = setInterval(() => {
    on = !on;
    document.title = on ? `● ${text}` : title;
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
  document.title = title;
  shown?.close();
  shown = undefined;
}

/** Shows who one is talking to, while that lasts. */
export function titleOf(peer: string | undefined): void {
  talkingTo = peer;
  if (flashing === undefined) document.title = peer ? `${peer} · ${title}` : title;
}

/** Shows in the tab how many messages were not read. */
export function countUnread(count: number): void {
  title = count > 0 ? `(${count}) ${NAME}` : NAME;
  titleOf(talkingTo);
}

/** Someone has written while the page was out of sight. */
export function noteMessage(from: string, text: string, open: () => void): void {
  if (document.visibilityState === "visible" || !mayNotify()) return;
  try {
    const body = text.length > NOTE_CHARS_MAX ? `${text.slice(0, NOTE_CHARS_MAX)}…` : text;
    const note = new Notification(from, { body, icon: "/icon.svg", tag: `tertulia-message-${from}` });
    note.onclick = () => {
      window.focus();
      open();
      note.close();
    };
  } catch {
    // Some phones show notifications of service workers only.
  }
}

export function mayNotify(): boolean {
  return "Notification" in window && Notification.permission === "granted";
}

export function canAskToNotify(): boolean {
  return "Notification" in window && Notification.permission === "default";
}
