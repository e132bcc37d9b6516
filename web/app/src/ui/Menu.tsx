// What else can be done with a row: a button with three dots, and a short list below or above it.

import { useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./Icon.js";
import { useDismiss } from "./hooks.js";

export interface MenuItem {
  label: string;
  icon: IconName;
  testId: string;
  run: () => void;
  bad?: boolean;
}

/** Space that the list wants below its button. */
const ROOM_PX = 220;

interface Props {
  label: string;
  items: MenuItem[];
  /** Without: three dots. */
  icon?: IconName;
  testId?: string;
}

export function Menu({ label, items, icon = "more", testId = "more" }: Props) {
  const [open, setOpen] = useState(false);
  const [up, setUp] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  if (items.length === 0) return null;
  // What was chosen may show nothing: then the next key goes on from here.
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const toggle = () => {
    const below = innerHeight - (button.current?.getBoundingClientRect().bottom ?? 0);
    setUp(below < ROOM_PX);
    setOpen(!open);
  };
  return (
    <div class="menu-anchor">
      <button
        type="button"
        ref={button}
        class="round quiet"
        data-testid={testId}
        aria-label={label}
        title={label}
        aria-expanded={open}
        onClick={toggle}
      >
        <Icon name={icon} />
      </button>
      {open && <List items={items} up={up} label={label} dismiss={() => setOpen(false)} close={close} />}
    </div>
  );
}

interface ListProps {
  items: MenuItem[];
  up: boolean;
  label: string;
  /** Someone has clicked elsewhere: there the focus is theirs. */
  dismiss: () => void;
  close: () => void;
}

function List({ items, up, label, dismiss, close }: ListProps) {
  const box = useDismiss(true, dismiss);
  return (
    <div
      class={up ? "popover row-menu up" : "popover row-menu"}
      ref={box}
      tabIndex={-1}
      role="group"
      aria-label={label}
    >
      {items.map((item) => (
        <button
          key={item.testId}
          type="button"
          class={item.bad ? "bad" : ""}
          data-testid={item.testId}
          onClick={() => {
            close();
            item.run();
          }}
        >
          <Icon name={item.icon} size={20} />
          {item.label}
        </button>
      ))}
    </div>
  );
}
