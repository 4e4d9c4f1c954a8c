/** Programs that wait for nothing: whoever drives them is never kept for long, and they come to an end. */
import { RunClock } from "@tenon/core/RunClock"
import { endless, RunTurns } from "@tenon/core/RunTurns"
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"

const limit = 100

const make = () => {
  const mistakes: Array<Error> = []
  const turns = new RunTurns<unknown, unknown>((mistake) => mistakes.push(mistake), limit)
  const context = Context.make(Scheduler.Scheduler, turns.scheduler).pipe(
    Context.add(Clock.Clock, new RunClock(0, () => Effect.never))
  )
  return { mistakes, turns, begin: (program: Effect.Effect<unknown>) => turns.begin(context, program) }
}

/** Milliseconds of the processor's time that this thread has had: a busy machine takes it away at any moment. */
const worked = () => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/** Goes on with a turn to its end, and gives how long it kept whoever takes it at a time. */
const wholeTurn = (turns: RunTurns<unknown, unknown>): number => {
  let longest = 0
  while (turns.isUnfinished) {
    const since = worked()
    turns.goOn()
    longest = Math.max(longest, worked() - since)
  }
  return longest
}

const rounds = { count: 0 }
const round = Effect.sync(() => void rounds.count++)

const loops = {
  yields: Effect.forever(Effect.andThen(round, Effect.yieldNow)),
  "sleeps for no time": Effect.forever(Effect.andThen(round, Effect.sleep(0))),
  "is to end in time": Effect.timeoutOption(Effect.forever(round), "1 second"),
  "catches its defects": Effect.forever(Effect.catchDefect(Effect.forever(round), () => Effect.void)),
  "goes round in its finalizer": Effect.ensuring(Effect.void, Effect.forever(round))
}

for (const [name, loop] of Object.entries(loops)) {
  it(`a loop that ${name} is ended, and nothing of it goes on`, () => {
    const { begin, turns } = make()
    begin(loop)
    assert.isTrue(turns.isUnfinished)
    const since = worked()
    assert.throws(() => wholeTurn(turns), endless(limit))
    assert.isBelow(worked() - since, 10 * limit)
    const { count } = rounds
    assert.isFalse(turns.isUnfinished)
    turns.interrupt()
    assert.isFalse(turns.isUnfinished)
    assert.strictEqual(rounds.count, count)
  })
}

it("a loop is ended on a platform too that does not tell the processor's time", () => {
  const { cpuUsage } = process
  Object.assign(process, { cpuUsage: undefined })
  try {
    const { begin, turns } = make()
    begin(loops.yields)
    assert.throws(() => wholeTurn(turns), endless(limit))
  } finally {
    Object.assign(process, { cpuUsage })
  }
})

it("a program that takes its time comes to its end in parts, as if it had been in one", () => {
  const { begin, mistakes, turns } = make()
  const since = performance.now()
  const busy = Effect.gen(function* () {
    const seen: Array<number> = []
    const each = (id: number) =>
      Effect.gen(function* () {
        for (let index = 0; index < 5; index++) {
          seen.push(id)
          yield* Effect.yieldNow
        }
      })
    const others = Effect.all([each(1), each(2)], { concurrency: "unbounded" })
    while (performance.now() - since < limit / 2) yield* others
    return seen
  })
  begin(busy)
  assert.isTrue(turns.isUnfinished)
  assert.isBelow(wholeTurn(turns), limit / 2)
  const { exit } = turns
  assert.strictEqual(exit?._tag, "Success")
  const seen = exit?._tag === "Success" && Array.isArray(exit.value) ? exit.value : []
  assert.isAbove(seen.length, 100)
  assert.deepStrictEqual(
    seen,
    seen.map((_, index) => 1 + (index % 2))
  )
  assert.deepStrictEqual(mistakes, [])
})
