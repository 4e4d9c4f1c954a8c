/** Runs of twenty steps, ours beside a peer's: how many a second with several at once, and how long one takes alone. */
import { repeat, type Round, warmUpMillis } from "../actions/load.ts"
import * as Report from "../Report.ts"
import { kinds, type Kind, type Side, steps } from "./Shape.ts"

const rounds = 5
const atOnce = 16

/** What is compared, and for how long a round goes on. */
export interface Pair {
  readonly name: string
  readonly peerName: string
  readonly ours: Side
  readonly peer: Side
  readonly roundMillis: number
}

interface Measured {
  readonly ours: Array<Round>
  readonly peer: Array<Round>
}

/** Rounds of both by turns, each beginning as often as the other, once both are warm. */
const alternate = async ({ ours, peer, roundMillis }: Pair, kind: Kind, concurrency: number): Promise<Measured> => {
  const measured: Measured = { ours: [], peer: [] }
  const sides = { ours, peer }
  const once = (side: "ours" | "peer", millis = roundMillis) =>
    repeat(() => sides[side].carryOut(kind), concurrency, millis)
  await once("ours", warmUpMillis)
  await once("peer", warmUpMillis)
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? (["ours", "peer"] as const) : (["peer", "ours"] as const)) {
      measured[side].push(await once(side))
    }
  }
  return measured
}

const shapes = { sequential: `${steps} steps`, concurrent: "4 x 5 steps at once" }

/** Compares both shapes of runs. */
export const compare = async (pair: Pair, say: (message: string) => void): Promise<ReadonlyArray<Report.Row>> => {
  const rows: Array<Report.Row> = []
  for (const kind of kinds) {
    const row = (
      what: string,
      unit: string,
      { ours, peer }: Measured,
      figure: (round: Round) => number,
      better: "more" | "less"
    ) => {
      const name = `${pair.name}, ${shapes[kind]}, ${what}`
      rows.push(Report.compare(name, unit, ours.map(figure), peer.map(figure), pair.peerName, better))
    }
    const alone = await alternate(pair, kind, 1)
    row("one alone, median", "ms", alone, (each) => each.medianMillis, "less")
    const many = await alternate(pair, kind, atOnce)
    row(`${atOnce} at once`, "runs/s", many, (each) => each.perSecond, "more")
    for (const each of rows.slice(-2)) say(`${each.name}: ${each.ours} against ${each.peer}, ${each.ratio}x`)
  }
  return rows
}
