/** What a suite measured, ours beside a peer, and how it is printed. */

/**
 * One comparison. `ratio` is ours over the peer's for a rate, the peer's over ours for a time: more than 1 is better.
 */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly ours: number
  /** Absent where a figure stands alone. */
  readonly peer: number | null
  readonly peerName: string | null
  readonly ratio: number | null
}

/** The middle value. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const round = (value: number) => Number(value.toPrecision(4))

/** A comparison of medians. */
export const compare = (
  name: string,
  unit: string,
  ours: ReadonlyArray<number>,
  peer: ReadonlyArray<number>,
  peerName: string,
  better: "more" | "less"
): Row => {
  const mine = median(ours)
  const theirs = median(peer)
  const ratio = better === "more" ? mine / theirs : theirs / mine
  return { name, unit, ours: round(mine), peer: round(theirs), peerName, ratio: Number(ratio.toFixed(2)) }
}

/** A figure without a peer. */
export const alone = (name: string, unit: string, ours: number): Row => ({
  name,
  unit,
  ours: round(ours),
  peer: null,
  peerName: null,
  ratio: null
})

/** Prints rows for people, and as the last line for machines where asked. */
export const print = (suite: string, rows: ReadonlyArray<Row>, json: boolean): void => {
  const out = json ? process.stderr : process.stdout
  for (const { name, ours, peer, peerName, ratio, unit } of rows) {
    const against = peer === null ? "" : ` against ${peer} (${peerName}): ${ratio}x`
    out.write(`${name.padEnd(40)} ${String(ours).padStart(10)} ${unit}${against}\n`)
  }
  if (json) process.stdout.write(`${JSON.stringify({ suite, rows })}\n`)
}
