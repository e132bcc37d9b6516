// A face: a picture, or else initials on a colour that is theirs.

const HUES = 8;

interface Props {
  id: string;
  name: string;
  online?: boolean | undefined;
  /** The account is gone: nobody in particular. */
  deleted?: boolean | undefined;
  /** Where its picture is, if it has one. */
  picture?: string | undefined;
}

export function Avatar({ id, name, online, deleted, picture }: Props) {
  return (
    <span class={deleted ? "avatar gone" : `avatar hue-${hueOf(id)}`} aria-hidden="true">
      {deleted ? "–" : initials(name)}
      {picture !== undefined && <img src={picture} alt="" />}
      {online !== undefined && <span class={online ? "dot on" : "dot"} />}
    </span>
  );
}

function initials(name: string): string {
  const words = name
    .trim()
    .replace(/(\S)\s*\(.*\)$/, "$1")
    .replace(/^[+\d\s…·]+(?=\d\d$)/, "")
    .split(/\s+/);
  const first = [...(words[0] ?? "")][0] ?? "?";
  const last = words.length > 1 ? ([...(words.at(-1) ?? "")][0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

/** Which of eight colours is theirs. */
export function hueOf(id: string): number {
  // FNV-1a, then mixed once more: short and similar ids must not all look the same.
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 0) % HUES;
}
