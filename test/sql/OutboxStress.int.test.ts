import { eventually } from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as StoreDatabase from "../support/StoreDatabase.ts"
import * as World from "../support/outboxWorld.ts"
import { seeds } from "../support/seeds.ts"

/** Numbers below a bound, the same for a seed. */
const numbers = (seed: number) => {
  let state = (seed * 2_654_435_761 + 1) >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

interface Known extends World.Sent {
  readonly id: string
  readonly commit: number
}

/** What became of an attempt. */
interface Told {
  readonly what: "begins" | "ends" | "fails"
  readonly id: string
}

interface Lived {
  readonly sent: ReadonlyArray<Known>
  /** What began, and how it ended, in that order. */
  readonly told: ReadonlyArray<Told>
  /** What a relay had claimed when it died. */
  readonly orphans: ReadonlySet<string>
}

const sentBy = (next: (below: number) => number): World.Sent => {
  const chance = next(20)
  return {
    tenant: `t${next(3)}`,
    object: `o${next(5)}`,
    ...(chance < 3 ? { delayMillis: 1 + next(400) } : {}),
    // It fails for good at the next attempt.
    ...(chance === 19 ? { attempts: 9 } : {})
  }
}

const isAlone = (commit: number) => commit % 3 === 0

const live = (seed: number) =>
  Effect.gen(function* () {
    const next = numbers(seed)
    yield* StoreDatabase.admin("delete from tenon.outbox")
    const sent: Array<Known> = []
    const told: Array<Told> = []
    const orphans = new Set<string>()
    const poison = new Set<string>()
    const tries = new Map<string, number>()
    const deliver: World.Deliver = ({ id }) =>
      Effect.gen(function* () {
        const count = (tries.get(id) ?? 0) + 1
        tries.set(id, count)
        told.push({ what: "begins", id })
        yield* Effect.sleep(next(8))
        if (poison.has(id) || (Number(id) % 11 === 0 && count === 1)) {
          told.push({ what: "fails", id })
          return yield* Effect.die(new Error("fails"))
        }
        told.push({ what: "ends", id })
      })
    const start = World.relay(deliver)
    const relays = [yield* start, yield* start, yield* start]
    for (let commit = 0; commit < 70; commit++) {
      const tenant = `t${next(3)}`
      // Where no object is another commit's too, all go out in order; else one that waits for its object may be passed.
      const objects = (index: number) => (isAlone(commit) ? { object: `own${commit}-${index}` } : {})
      const rows = Array.from({ length: 1 + next(4) }, (_, index) => ({ ...sentBy(next), tenant, ...objects(index) }))
      const ids = yield* World.commit(...rows)
      rows.forEach((row, index) => sent.push({ ...row, id: ids[index] ?? "", commit }))
      rows.forEach(({ attempts }, index) => attempts === 9 && poison.add(ids[index] ?? ""))
      const some = relays[next(relays.length)]
      if (some !== undefined) yield* some.hear
      if (commit % 30 === 20) {
        const [first] = relays.splice(0, 1)
        const claimed = first === undefined ? [] : yield* first.die
        for (const id of claimed) orphans.add(id)
        yield* World.expire(claimed)
        relays.push(yield* start)
      }
    }
    yield* eventually(World.standings, (left) => Object.keys(left).length === 0, { within: "40 seconds" })
    return { sent, told, orphans } satisfies Lived
  }).pipe(Effect.scoped)

/** What came too early, or never, or twice. */
const faultsOf = ({ orphans, sent, told }: Lived): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const place = (what: "begins" | "ends", id: string) => told.findIndex((each) => each.what === what && each.id === id)
  const last = new Map<string, Known>()
  /** When the first attempt is over. */
  const over = (id: string) => told.findIndex((each) => each.id === id && each.what !== "begins")
  /** Whether one began while an earlier one of its commit was tried for the first time. */
  const isBeside = (earlier: Known, later: Known) =>
    isAlone(later.commit) &&
    earlier.delayMillis === undefined &&
    !orphans.has(earlier.id) &&
    place("begins", earlier.id) < place("begins", later.id) &&
    place("begins", later.id) < over(earlier.id)
  for (const each of sent) {
    const kin = sent.filter(({ commit, id }) => commit === each.commit && BigInt(id) < BigInt(each.id))
    for (const before of kin.filter((other) => isBeside(other, each)))
      faults.push(`${each.id} began before ${before.id} of its commit was tried`)
    if (each.attempts === 9) continue
    const times = told.filter(({ id, what }) => id === each.id && what === "ends").length
    if (times === 0) faults.push(`${each.id} was never delivered`)
    if (times > 1 && !orphans.has(each.id)) faults.push(`${each.id} was delivered ${times} times`)
    if (each.delayMillis !== undefined) continue
    const lane = `${each.tenant} ${each.object}`
    const before = last.get(lane)
    if (before !== undefined && place("begins", each.id) < place("ends", before.id))
      faults.push(`${each.id} began before ${before.id} had ended, to ${lane}`)
    last.set(lane, each)
  }
  return faults
}

suite(Layer.merge(StoreDatabase.layer, Logger.layer([])), { timeout: 120_000, excludeTestServices: true })(
  "an outbox under several relays",
  (it) => {
    const { count, from } = seeds(2)
    for (let seed = from; seed < from + count; seed++) {
      it.effect(
        `keeps each lane's order, delivers all and leaves nothing held (seed ${seed})`,
        () => Effect.map(live(seed), (lived) => assert.deepStrictEqual(faultsOf(lived), [])),
        60_000
      )
    }
  }
)
