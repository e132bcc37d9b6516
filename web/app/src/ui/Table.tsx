// A round table with cups, seen from above: the place after which the product is named.

const CUPS = [
  { angle: -90, tone: "a" },
  { angle: -18, tone: "b" },
  { angle: 54, tone: "c" },
  { angle: 126, tone: "d" },
  { angle: 198, tone: "e" },
];
const RADIUS = 118;
/** Where a bubble's tail points before it is turned: to whoever drinks from the cup. */
const TAIL = 128;

export function Table() {
  return (
    <svg class="table" viewBox="0 0 400 400">
      <circle class="rug" cx="200" cy="200" r="196" />
      <circle class="rug-line" cx="200" cy="200" r="180" />
      <circle class="wood" cx="200" cy="200" r="160" />
      <circle class="grain" cx="200" cy="200" r="146" />
      <circle class="grain" cx="200" cy="200" r="74" />
      {CUPS.map(({ angle, tone }) => {
        const at = (angle * Math.PI) / 180;
        const x = 200 + RADIUS * Math.cos(at);
        const y = 200 + RADIUS * Math.sin(at);
        return (
          <g key={tone} transform={`translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${angle - TAIL})`}>
            <path
              class={`saucer ${tone}`}
              d="M0-34a34 34 0 1 1-16.600 63.600l-14 5c-2 .8-3.900-1.200-3.100-3.200l5.200-13.600A34 34 0 0 1 0-34Z"
            />
            <circle class="cup" r="22" />
            <circle class="coffee" r="16" />
            <path class="swirl" d="M-9 3a9.500 9.500 0 0 0 9.500 7M9-3A9.500 9.500 0 0 0-.5-10" />
          </g>
        );
      })}
      <g class="sugar">
        <rect x="186" y="184" width="17" height="17" rx="3" transform="rotate(-12 194 192)" />
        <rect x="200" y="200" width="17" height="17" rx="3" transform="rotate(20 208 208)" />
        <rect x="181" y="205" width="15" height="15" rx="3" transform="rotate(38 188 212)" />
      </g>
    </svg>
  );
}
