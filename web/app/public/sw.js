// Woken by a push while no page is open: says that messages wait, or who calls. It keeps nothing and answers no requests.

const ICON = "/icon.svg";
/** The same as the page's own, so that one replaces the other. */
const CALL = "tertulia-call";
const MESSAGES = "tertulia-messages";
/** How far this clock may be from the server's. The push service drops a call that has stopped ringing. */
const CLOCKS_MS = 60_000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(tell(read(event.data))));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open());
});

function read(data) {
  try {
    return data.json();
  } catch {
    return { type: "messages" };
  }
}

async function tell(what) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const isSeen = pages.some((page) => page.visibilityState === "visible");
  if (what.type === "call" && what.expires_at + CLOCKS_MS > Date.now()) {
    // The page shows it itself, where somebody looks at it.
    if (isSeen) return;
    const body = what.video ? "Video call" : "Voice call";
    return show(`${what.from} is calling`, { body, tag: CALL, requireInteraction: true, vibrate: [300, 200, 300] });
  }
  if (what.type === "call" || what.type === "call_over") {
    for (const note of await self.registration.getNotifications({ tag: CALL })) note.close();
    if (what.type === "call_over" && !what.missed) return;
    return show(`${what.from} called`, { body: what.video ? "Missed video call" : "Missed voice call", tag: CALL });
  }
  if (!isSeen) return show("New messages", { body: "Open Tertulia to read them.", tag: MESSAGES });
}

function show(title, options) {
  return self.registration.showNotification(title, { icon: ICON, ...options });
}

/** The page that is open, or a new one. */
async function open() {
  const [page] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return page ? page.focus() : self.clients.openWindow("/");
}
