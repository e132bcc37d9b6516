// How a call was, answered by numbers, for both sides.

import { gradeOf, type CallRecord, type QualitySummary } from "@tertulia/sdk";
import { sayGrade, summaryRows } from "../figures.js";
import type { Store } from "../store.js";
import { clock, when } from "../words.js";
import { Dialog } from "./Dialog.js";
import { Bars } from "./Icon.js";

export function HowWasIt({ store, record, close }: { store: Store; record: CallRecord; close: () => void }) {
  const { peer, quality, peer_quality: theirs } = record;
  return (
    <Dialog store={store} title="How was it?" testId="how-was-it-dialog" close={close}>
      <p class="say">
        With {peer.name} · {when(record.started_at)} · {clock(record.duration_ms)}
      </p>
      <div class="verdicts">
        <Verdict who="For you" of={quality} />
        <Verdict who={`For ${peer.name}`} of={theirs} />
      </div>
      <table class="table-plain">
        <thead>
          <tr>
            <td />
            <th scope="col">You</th>
            <th scope="col">{peer.name}</th>
          </tr>
        </thead>
        <tbody>
          {summaryRows(quality, theirs).map(({ name, mine, theirs: other }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{mine}</td>
              <td>{other}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Dialog>
  );
}

function Verdict({ who, of }: { who: string; of: QualitySummary | undefined }) {
  const grade = gradeOf(of?.score);
  return (
    <div class="verdict" data-level={grade}>
      <span class="about">{who}</span>
      <strong>
        <Bars level={grade} /> {of ? sayGrade(grade) : "Not measured"}
      </strong>
    </div>
  );
}
