// Files that are dropped on the page or pasted into it.

import { useEffect, useRef, useState } from "preact/hooks";

/** Calls back with them. True while files are held over the page. */
export function useFiles(take: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    // Every element on the way says that it was entered and left.
    let depth = 0;
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const enter = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      depth = Math.max(0, depth - 1);
      setOver(depth > 0);
    };
    // Without this the browser opens what is dropped in place of the page.
    const hold = (event: DragEvent) => {
      if (holdsFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      give(event.dataTransfer);
    };
    const paste = (event: ClipboardEvent) => {
      if ((event.clipboardData?.files.length ?? 0) === 0) return;
      event.preventDefault();
      give(event.clipboardData);
    };
    const give = (data: DataTransfer | null) => {
      // A folder is no file: it has neither type nor size.
      const files = [...(data?.files ?? [])].filter((file) => file.type !== "" || file.size > 0);
      if (files.length > 0) latest.current(files);
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: hold, drop, paste } as const;
    for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) {
        document.removeEventListener(name, listener as EventListener);
      }
    };
  }, []);
  return over;
}

/** Saves what is at an address of this server under its name. */
export function save(url: string, name: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}
