// A QR code, drawn in the page: no picture is fetched, and what it says stays here.

import { encode } from "uqr";

/** Modules of quiet around it; readers want four (ISO/IEC 18004). */
const QUIET = 4;

export function QrCode({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { ecc: "M", border: QUIET });
  return (
    <svg
      class="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      data-testid="qr"
      shape-rendering="crispEdges"
    >
      <path d={outline(data)} />
    </svg>
  );
}

/** One rectangle for each run of dark modules in a row. */
function outline(data: boolean[][]): string {
  return data
    .flatMap((row, y) => {
      const runs: string[] = [];
      for (let x = 0; x < row.length; x += 1) {
        if (!row[x]) continue;
        const from = x;
        while (row[x + 1]) x += 1;
        runs.push(`M${from} ${y}h${x - from + 1}v1h-${x - from + 1}z`);
      }
      return runs;
    })
    .join("");
}
