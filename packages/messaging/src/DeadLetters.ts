/** What all transports agree on about dead letters: their fingerprint and how many make a group. */
import * as Fingerprint from "@tenon/core/Fingerprint"
import * as Effect from "effect/Effect"
import type { DeadLetter } from "./Transport.ts"

/** Letters that likely share a cause. */
export interface Group {
  readonly fingerprint: string
  readonly reason: string
  /** The detail of the newest letter. */
  readonly detail: string
  readonly count: number
  /** When the first and the last were set aside; milliseconds since 1970. */
  readonly first: number
  readonly last: number
}

/** Groups dead letters, the largest group first. */
export const group = (letters: ReadonlyArray<DeadLetter>): ReadonlyArray<Group> => {
  const groups = new Map<string, Group>()
  for (const { fingerprint, reason, detail, at } of letters) {
    const known = groups.get(fingerprint)
    groups.set(fingerprint, {
      fingerprint,
      reason,
      detail: known === undefined || at >= known.last ? detail : known.detail,
      count: (known?.count ?? 0) + 1,
      first: Math.min(known?.first ?? at, at),
      last: Math.max(known?.last ?? at, at)
    })
  }
  return [...groups.values()].toSorted((a, b) => b.count - a.count || a.first - b.first)
}

/** Words with a digit in them are ids, amounts, times and keys: they differ where the cause is the same. */
const withoutIds = (detail: string) => detail.replace(/[\w-]*\d[\w-]*/g, "#")

/** Sixteen hexadecimal digits that are the same for letters of one queue with one reason and a like detail. */
export const fingerprint = (queue: string, reason: string, detail: string): Effect.Effect<string> =>
  Effect.map(Fingerprint.of([queue, reason, withoutIds(detail)]), (digest) => digest.slice(0, 16))
