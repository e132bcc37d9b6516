import { render } from "preact";
import { loadAccount, takeTokenFromAddress } from "./account.js";
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
      return store.call ?? store.incoming;
    },
  },
});

const token = takeTokenFromAddress();
const account = loadAccount();
if (token) void store.signInByToken(token);
else if (account) void store.start(account);
const root = document.getElementById("app");
if (root) render(<App store={store} />, root);
