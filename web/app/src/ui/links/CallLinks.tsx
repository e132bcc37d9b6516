// One's call links, above the calls that were.

import { useEffect, useState } from "preact/hooks";
import type { CallLink } from "@tertulia/sdk";
import type { Store } from "../../store.js";
import { sayGoodUntil, sayLinkName } from "../../words-links.js";
import { Confirm } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { Menu, type MenuItem } from "../Menu.js";
import { canShare, copyLink, NewCallLink, share } from "./NewCallLink.js";

/** Shown before one asks for all. */
const SHOWN = 3;

export function CallLinks({ store }: { store: Store }) {
  const [making, setMaking] = useState(false);
  const [all, setAll] = useState(false);
  const [revoked, setRevoked] = useState<CallLink | undefined>();
  const { good } = store.links;
  // What was made or taken back on another device.
  useEffect(() => void store.links.refresh(), []);
  const shown = all ? good : good.slice(0, SHOWN);
  return (
    <>
      <div class="row">
        <button type="button" class="open-chat" data-testid="make-link" onClick={() => setMaking(true)}>
          <span class="sign" aria-hidden="true">
            <Icon name="link" size={22} />
          </span>
          <span class="name">New call link</span>
        </button>
      </div>
      {shown.length > 0 && (
        <ul class="rows call-links" aria-label="Your call links" data-testid="my-links">
          {shown.map((link) => (
            <LinkRow key={link.call_link_id} store={store} link={link} revoke={() => setRevoked(link)} />
          ))}
        </ul>
      )}
      {good.length > shown.length && (
        <button type="button" class="secondary small more" onClick={() => setAll(true)}>
          Show all {good.length} links
        </button>
      )}
      {making && <NewCallLink store={store} close={() => setMaking(false)} />}
      {revoked && (
        <Confirm
          store={store}
          title="Take this link back?"
          testId="revoke-link"
          verb="Take back"
          onConfirm={() => void store.links.revoke(revoked)}
          close={() => setRevoked(undefined)}
        >
          <p>
            “{sayLinkName(revoked)}” will lead nowhere. Nobody new comes in by it; who is in the call stays.
          </p>
        </Confirm>
      )}
    </>
  );
}

function LinkRow({ store, link, revoke }: { store: Store; link: CallLink; revoke: () => void }) {
  const name = sayLinkName(link);
  const until = sayGoodUntil(store.client?.localTime(link.expires_at) ?? link.expires_at);
  const items: MenuItem[] = [
    ...(canShare() ? [{ label: "Share", icon: "share", testId: "share-link", run: () => void share(store, link) } as const] : []),
    { label: "Take back", icon: "trash", testId: "take-link-back", run: revoke, bad: true },
  ];
  return (
    <li class="row" data-testid={`link-${link.call_link_id}`}>
      <button
        type="button"
        class="open-chat"
        data-testid="open-link"
        disabled={store.displaced || store.calls.current !== undefined}
        onClick={() => store.openCallLink(link.token)}
      >
        <span class="sign on" aria-hidden="true">
          <Icon name={link.media === "video" ? "camera" : "phone"} size={22} />
        </span>
        <span class="who">
          <span class="hidden">Open the {link.media} call link </span>
          <span class="name" dir="auto">
            {name}
          </span>
          <span class="about">
            <span class="outcome">
              {`U${until.slice(1)}`}
              {link.approval && " · one by one"}
            </span>
          </span>
        </span>
      </button>
      <button
        type="button"
        class="round tint"
        data-testid="copy-call-link"
        aria-label={`Copy the address of ${name}`}
        title="Copy the address"
        onClick={() => void copyLink(store, link)}
      >
        <Icon name="link" size={20} />
      </button>
      <Menu label={`More about the link ${name}`} items={items} />
    </li>
  );
}
