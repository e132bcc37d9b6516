// The app's icons, drawn for it: 24 × 24, one weight, round ends. Decoration only: what carries one has a name of its own.

const PATHS = {
  mic: "M12 3.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3ZM6 11.500a6 6 0 0 0 12 0M12 17.500V21M9 21h6",
  micOff:
    "M9 9.500v2a3 3 0 0 0 4.600 2.500M15 11V6.500a3 3 0 0 0-5.700-1.300M6 11.500a6 6 0 0 0 9.700 4.700M17.700 13.200c.2-.5.3-1.100.3-1.700M12 17.500V21M9 21h6M4 3.500l16 17",
  camera:
    "M4.500 6.500h9a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2ZM15.500 10.500l4.600-2.700c.6-.4 1.400 0 1.400.8v6.800c0 .8-.8 1.200-1.400.8l-4.600-2.700",
  cameraOff:
    "M9.500 6.500h4a2 2 0 0 1 2 2v3.500M15.500 15.700c-.2 1-1 1.800-2 1.800h-9a2 2 0 0 1-2-2v-7c0-1.100.9-2 2-2M15.500 10.500l4.600-2.700c.6-.4 1.400 0 1.400.8v6.800c0 .6-.4 1-.9 1M3.500 3.500l17 17",
  screen:
    "M4.500 4.500h15a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-15a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2ZM8.500 20.500h7M12 13.500v-5.500M9.500 10.300 12 7.800l2.500 2.500",
  phone:
    "M6.600 3.500h2.100c.5 0 .9.3 1 .8l.8 3.200c.1.400 0 .8-.3 1.100l-1.500 1.400a12.500 12.500 0 0 0 5.300 5.300l1.400-1.500c.3-.3.7-.4 1.100-.3l3.200.8c.5.1.8.5.8 1v2.100a3 3 0 0 1-3.200 3A16 16 0 0 1 3.600 6.700a3 3 0 0 1 3-3.200Z",
  hangup:
    "M12 9c3.700 0 6.900 1.200 8.800 3 .9.9.9 2.200.5 3.300l-.4.9c-.2.600-.9.900-1.500.700l-2.700-.9c-.5-.2-.9-.6-1-1.200l-.3-1.700a12 12 0 0 0-6.800 0l-.3 1.700c-.1.600-.5 1-1 1.200l-2.700.9c-.6.2-1.300-.1-1.500-.7l-.4-.9c-.4-1.100-.4-2.400.5-3.300C5.100 10.200 8.300 9 12 9Z",
  flip: "M4 8.500h3l1.500-2.500h7L17 8.500h3a1.500 1.500 0 0 1 1.500 1.500v8a1.500 1.500 0 0 1-1.500 1.500H4A1.500 1.500 0 0 1 2.500 18v-8A1.500 1.500 0 0 1 4 8.500ZM9 12.800a3.300 3.300 0 0 1 6-.3M15 15.200a3.300 3.300 0 0 1-6 .3M15.200 10.700v1.900h-1.900M8.800 17.300v-1.900h1.900",
  tune: "M4 7h9M17 7h3M4 12h3M11 12h9M4 17h7M15 17h5M15 5v4M9 10v4M13 15v4",
  search: "M11 5a6 6 0 1 1 0 12 6 6 0 0 1 0-12ZM15.500 15.500 20 20",
  close: "M6 6l12 12M18 6 6 18",
  bell: "M6.500 10a5.500 5.500 0 0 1 11 0c0 4 1.500 5.500 2 6h-15c.5-.5 2-2 2-6ZM10 19a2.200 2.200 0 0 0 4 0",
  leave: "M14 4.500H7a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h7M11 12h9.500M17 8.500l3.500 3.500-3.500 3.500",
  incoming: "M17 7 7.500 16.500M7.500 9v7.500H15",
  outgoing: "M7 17 16.500 7.500M9 7.500h7.500V15",
  missed: "M4 8.500l6.500 6.500L20 5.500M4 14V8.500h5.500",
  people:
    "M9 5a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7ZM2.500 19.500a6.500 6.500 0 0 1 13 0M16 5.300a3.500 3.500 0 0 1 0 6.400M18 14.200a6.500 6.500 0 0 1 3.500 5.300",
  clock: "M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17ZM12 7.500V12l3 2.500",
  link: "M10 14a4 4 0 0 0 5.700.3l3-3a4 4 0 0 0-5.700-5.700L11.500 7M14 10a4 4 0 0 0-5.700-.3l-3 3a4 4 0 0 0 5.700 5.700l1.500-1.400",
  sound: "M4 9.500v5h3.500L12 18.500v-13L7.500 9.500H4ZM15.500 9a4 4 0 0 1 0 6M18 6.500a7.500 7.500 0 0 1 0 11",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 24 }: { name: IconName; size?: number }) {
  const solid = name === "hangup" || name === "phone";
  return (
    <svg class={solid ? "icon solid" : "icon"} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The sign of the house: a cup of coffee from above that is a speech bubble. */
export function Logo({ size = 36 }: { size?: number }) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
      <path
        class="bubble"
        d="M32 4a27 27 0 1 1-13.200 50.600L7.500 58.800c-1.600.6-3.100-1-2.500-2.600l4.200-11A27 27 0 0 1 32 4Z"
      />
      <circle class="cup" cx="32" cy="31" r="18.500" />
      <circle class="coffee" cx="32" cy="31" r="13.500" />
      <path class="swirl" d="M24.500 33.500a8 8 0 0 0 8 6M39.500 28.500a8 8 0 0 0-8-6" />
    </svg>
  );
}

/** Bars as on a telephone: how well the call goes. */
export function Bars({ level }: { level: string }) {
  return (
    <svg class={`bars ${level}`} width="18" height="14" viewBox="0 0 18 14" aria-hidden="true">
      <rect x="0" y="8" width="4" height="6" rx="1.500" />
      <rect x="7" y="4" width="4" height="10" rx="1.500" />
      <rect x="14" y="0" width="4" height="14" rx="1.500" />
    </svg>
  );
}
