/** What a run on Restate tells the journal of runs, however often it is suspended. */
import { Unavailable } from "@tenon/core/Failure"
import { Durable } from "@tenon/core/Durable"
import * as Registry from "@tenon/core/Registry"
import { type Operation, RunJournal } from "@tenon/core/RunJournal"
import * as RunReplay from "@tenon/core/RunReplay"
import * as RunStoreMemory from "@tenon/core/RunStoreMemory"
import { Runtime } from "@tenon/core/Runtime"
import * as Workflow from "@tenon/core/Workflow"
import { RunMirror, Written } from "@tenon/restate/RunMirror"
import * as Testing from "@tenon/testing/Testing"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import { assert, it, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { eventually } from "../support/agentDomain.ts"

const rounds = 10
const stepsOfRound = 10
const all = rounds * (stepsOfRound + 1)

const Mirrored = Workflow.make("Mirrored", { input: {} })

/** How many attempts each run took. */
const attempts = new Map<string, number>()

const program = Workflow.implement(
  Mirrored,
  Effect.fnUntraced(function* () {
    const durable = yield* Durable
    attempts.set(durable.key, (attempts.get(durable.key) ?? 0) + 1)
    for (let round = 0; round < rounds; round++) {
      for (let step = 0; step < stepsOfRound; step++) {
        yield* durable.step(`${round}.${step} ${yield* Random.nextInt} ${yield* Clock.currentTimeMillis}`, Effect.void)
      }
      yield* durable.sleep("400 millis")
    }
  })
)

const { journal } = RunStoreMemory.make(() => Effect.void)
const told: Array<{ readonly key: string; readonly operations: ReadonlyArray<Operation> }> = []
/** Whether what a run tells is refused. */
let refuses = (_telling: number) => false

const spy = RunJournal.of({
  ...journal,
  record: (run, recorded) =>
    Effect.suspend(() => {
      told.push({ key: run.key, operations: recorded.operations })
      const telling = told.filter(({ key }) => key === run.key).length
      return refuses(telling) ? Effect.fail(new Unavailable({ what: "The journal" })) : journal.record(run, recorded)
    })
})

const registry = Registry.make({ resources: [], workflows: [Mirrored] })
const world = TestingRestate.layer(registry, Workflow.layer(program), { inactivityTimeout: 1 }).pipe(
  Layer.provideMerge(TestingRestate.layerServer()),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provideMerge(Layer.succeed(RunJournal, spy))
)

const actor = Testing.actor({ tenantId: "mirrors" })
const beginning = { seed: "seed", beganAt: 0, actor }
const runOf = (key: string) => ({ tenantId: actor.tenantId, workflow: Mirrored.name, key })

const ran = Effect.fnUntraced(function* (key: string) {
  const runtime = yield* Runtime
  yield* runtime.deliver(actor, { _tag: "StartWorkflow", ...runOf(key), input: {}, delayMillis: 0 }, `start ${key}`)
  yield* eventually(journal.standing(runOf(key)), (standing) => standing?.status === "done")
  assert.isAbove(attempts.get(key) ?? 0, rounds / 2, "it was suspended")
  const operations = yield* journal.operations(runOf(key))
  assert.deepStrictEqual(
    operations.map(({ index }) => index),
    Array.from({ length: all }, (_, index) => index)
  )
  const recording = yield* Effect.provideService(RunReplay.record(runOf(key), {}), RunJournal, journal)
  if (recording === undefined) return assert.fail("nothing is recorded")
  assert.deepStrictEqual(recording.actor, actor)
  assert.deepStrictEqual(yield* RunReplay.check(yield* program, recording), { _tag: "Same", operations: all })
  return told.filter((each) => each.key === key).reduce((sum, each) => sum + each.operations.length, 0)
})

it("what is written behind a gap is not known to be written", () => {
  const written = new Written()
  written.note("a", 1, 5)
  assert.strictEqual(written.of("a"), 0)
  written.note("a", 0, 2)
  written.note("a", 1, 5)
  written.note("a", 0, 3)
  assert.strictEqual(written.of("a"), 6)
})

it.live("what could not be written is written by the same attempt, in its order, and not again by the next", () =>
  Effect.gen(function* () {
    const written = new Written()
    const key = "with a gap"
    const attempt = () => {
      const mirror = new RunMirror(
        { context: Context.empty(), journal: spy },
        { ...runOf(key), beginning },
        written,
        key
      )
      let count = 0
      return (times: number) => {
        for (let time = 0; time < times; time++) mirror.end(mirror.begin("step", `${count++}`, 0), 0, null)
      }
    }
    const names = Effect.map(journal.operations(runOf(key)), (operations) => operations.map(({ name }) => name))
    const first = attempt()
    refuses = (telling) => telling <= 2
    first(2)
    yield* Effect.sleep("150 millis")
    first(1)
    yield* eventually(names, (found) => found.length === 3)
    assert.deepStrictEqual(yield* names, ["0", "1", "2"])
    const before = told.filter((each) => each.key === key).length
    attempt()(4)
    yield* eventually(names, (found) => found.length === 4)
    const later = told.filter((each) => each.key === key).slice(before)
    assert.deepStrictEqual(
      later.flatMap(({ operations }) => operations.map(({ name }) => name)),
      ["3"]
    )
  })
)

layer(world, { timeout: 60_000, excludeTestServices: true })("what runs on Restate tell of themselves", (it) => {
  it.effect(
    "a run that is suspended ten times tells of each operation about once",
    () =>
      Effect.gen(function* () {
        refuses = () => false
        const count = yield* ran("often suspended")
        assert.isAtMost(count, 1.5 * all)
      }),
    60_000
  )

  it.effect("what one attempt could not write, the next one writes", () =>
    Effect.gen(function* () {
      const refused = new Set<number>()
      refuses = (telling) => {
        const refusal = [1, 3, 4, 7].includes(telling)
        if (refusal) refused.add(telling)
        return refusal
      }
      const count = yield* ran("often refused")
      assert.strictEqual(refused.size, 4)
      assert.isAtMost(count, 4 * all)
    })
  )
})
