// A face for someone without a picture: initials on a colour that is theirs.

const HUES = 8;

export function Avatar({ id, name, online }: { id: string; name: string; online?: boolean | undefined }) {
  return (
    <span class={`avatar hue-${hueOf(id)}`} aria-hidden="true">
      {initials(name)}
      {online !== undefined && <span class={online ? "dot on" : "dot"} />}
    </span>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const first = [...(words[0] ?? "")][0] ?? "?";
  const last = words.length > 1 ? ([...(words.at(-1) ?? "")][0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

function hueOf(id: string): number {
  // FNV-1a: short and similar ids must not all look the same.
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return ((hash ^ (hash >>> 16)) >>> 0) % HUES;
}
