// What the numbers of a call mean to a person. The thresholds are here and nowhere else.

/** `lost`: nothing arrives at all. `unknown`: not measured yet. */
export type Grade = "good" | "fair" | "poor" | "lost" | "unknown";

/**
 * From which score on a call is good, or fair: the bounds of "satisfied" (R = 80) and of "nearly all dissatisfied"
 * (R = 60) of ITU-T G.107 Annex B, as mean opinion scores. Raising them makes the badge more critical.
 */
export const GRADE_FROM = { good: 4.0, fair: 3.1 } as const;

/** The grade of a score from 1 to 5, as `ParticipantQuality` and `QualitySummary` have it. */
export function gradeOf(score: number | undefined): Grade {
  if (score === undefined || !Number.isFinite(score)) return "unknown";
  if (score >= GRADE_FROM.good) return "good";
  return score >= GRADE_FROM.fair ? "fair" : "poor";
}
