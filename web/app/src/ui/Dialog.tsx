// A question that wants an answer before anything else: the browser's own modal dialog, with its focus and its Escape.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Store } from "../store.js";
import { Icon } from "./Icon.js";

interface Props {
  store: Store;
  title: string;
  testId: string;
  close: () => void;
  children: ComponentChildren;
}

export function Dialog({ store, title, testId, close, children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  // The focus goes back to where it was; while the dialog is open, nothing behind it can take it.
  useLayoutEffect(() => {
    const it = box.current;
    const opener = document.activeElement as HTMLElement | null;
    return () => {
      it?.close();
      opener?.focus();
    };
  }, []);
  const ringing = store.calls.incoming !== undefined;
  useEffect(() => {
    const it = box.current;
    // Who rings comes first; what was asked is still there afterwards.
    if (ringing) it?.close();
    else if (it && !it.open) {
      it.showModal();
      // On its title rather than on the button that closes it; on what is to be typed, where a keyboard is no trouble.
      const field = matchMedia("(hover: hover)").matches ? it.querySelector<HTMLElement>("input") : null;
      (field ?? it.querySelector<HTMLElement>("h2"))?.focus();
    }
  }, [ringing]);
  return (
    <dialog
      class="dialog"
      ref={box}
      aria-labelledby={`${testId}-title`}
      data-testid={testId}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        // Beside it: only what lies behind the dialog's own box has the dialog itself for a target.
        if (event.target === box.current) close();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={`${testId}-title`} tabIndex={-1}>
            {title}
          </h2>
          <button type="button" class="round quiet" data-testid="close-dialog" aria-label="Close" onClick={close}>
            <Icon name="close" size={20} />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  store: Store;
  title: string;
  testId: string;
  /** What the button does, in a word or two. */
  verb: string;
  onConfirm: () => void;
  close: () => void;
  children: ComponentChildren;
}

/** Asks before something that is not undone by a click. */
export function Confirm({ store, title, testId, verb, onConfirm, close, children }: ConfirmProps) {
  return (
    <Dialog store={store} title={title} testId={testId} close={close}>
      {children}
      <div class="dialog-foot">
        <button type="button" class="secondary" onClick={close}>
          Cancel
        </button>
        <button
          type="button"
          class="danger"
          data-testid={`${testId}-confirm`}
          onClick={() => {
            close();
            onConfirm();
          }}
        >
          {verb}
        </button>
      </div>
    </Dialog>
  );
}
