// Where the page begins: what the address and the browser bring, the store, and the views on it.

import { render } from "preact";
import { loadAccount, takeInviteFromAddress, takeLinkFromAddress, takeTokenFromAddress } from "./account.js";
import { Store } from "./store.js";
import { App } from "./ui/App.js";

const store = new Store();

// For diagnosis, in the console and in tests: the SDK's own objects.
Object.defineProperty(window, "tertulia", {
  value: {
    get client() {
      return store.client;
    },
    get call() {
      return store.calls.current ?? store.calls.incoming;
    },
    get heldCall() {
      return store.calls.aside;
    },
    get waitingCall() {
      return store.calls.incoming;
    },
  },
});

const token = takeTokenFromAddress();
const link = takeLinkFromAddress();
const invite = takeInviteFromAddress();
const account = loadAccount();
if (link) store.mine.keepLink(link);
if (invite) store.chats.invited(invite);
if (token) void store.entry.byToken(token);
else if (account) void store.start(account);
void store.entry.ask();
// A code that is scanned while the page is open already.
addEventListener("hashchange", () => {
  const code = takeLinkFromAddress();
  if (code) void store.askLink(code);
  const invited = takeInviteFromAddress();
  if (invited) store.chats.invited(invited);
});
const root = document.getElementById("app");
if (root) render(<App store={store} />, root);
