/**
 * What runs owe whoever depends on them, over every store: no worker that lost its lease writes, no run is lost with
 * its worker, waiting costs nothing, bugs pause, and what is cancelled stops. Engines are made and stopped here at
 * will.
 */
import { Checkpoint, Crash } from "@tenon/core/Checkpoint"
import * as Durable from "@tenon/core/Durable"
import { Unavailable } from "@tenon/core/Failure"
import { isAlive, type RunJournal } from "@tenon/core/RunJournal"
import { type Held, RunStore } from "@tenon/core/RunStore"
import { assert, layer as suiteOf } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { eventually } from "./Eventually.ts"
import { fencingLaws } from "./RunEngineLawsFencing.ts"
import { lostLaws } from "./RunEngineLawsLost.ts"
import {
  becomes,
  begin,
  engine,
  go,
  Job,
  outcomes,
  own,
  type Program,
  standing,
  step,
  until
} from "./RunEngineLawsWorld.ts"

class Refused extends Schema.TaggedError<Refused>()("LawJobRefused", { why: Schema.String }) {}

const naps = Effect.flatMap(Durable.Durable, (durable) => durable.sleep(20))

/** Declares the tests of an engine over a store. */
export const runEngineLaws = <E>(name: string, layer: Layer.Layer<RunStore | RunJournal, E>): void =>
  suiteOf(layer, { excludeTestServices: true, timeout: 60_000 })(`runs over ${name}`, (it) => {
    lostLaws(it)
    fencingLaws(it)

    it.effect("a worker that stalls for longer than its lease writes nothing after another has taken over", () =>
      Effect.gen(function* () {
        const run = own()
        const executed: Array<string> = []
        const stalled = Promise.withResolvers<void>()
        const program = (who: string, wait: Effect.Effect<unknown>) =>
          step(
            "work",
            Effect.as(
              Effect.tap(wait, () => Effect.sync(() => executed.push(who))),
              who
            )
          )
        // It gives no sign of life, and its own looks at the store never come back.
        const slow = yield* engine(
          run,
          program(
            "slow",
            Effect.promise(() => stalled.promise)
          ),
          { lease: "150 millis" },
          (store) => ({
            ...store,
            renew: () => Effect.never,
            look: (): Effect.Effect<ReadonlyArray<Held>> => Effect.never
          })
        )
        yield* begin(slow, run)
        yield* becomes(run, "running")
        yield* engine(run, program("quick", Effect.void))
        yield* becomes(run, "done")
        stalled.resolve()
        yield* until("the slow one has done its work", () => executed.length === 2)
        yield* Effect.sleep(100)
        assert.deepStrictEqual(executed, ["quick", "slow"])
        assert.deepStrictEqual(yield* outcomes(run), [["step", "work", { value: "quick" }]])
        assert.strictEqual((yield* standing(run))?.status, "done")
      }).pipe(Effect.scoped)
    )

    it.effect("a worker that goes on keeps its run for longer than its lease, and hears of what comes for it", () =>
      Effect.gen(function* () {
        const run = own()
        let begun = 0
        const program = Effect.gen(function* () {
          const { signal } = yield* Durable.Durable
          const long = step(
            "long",
            Effect.andThen(
              Effect.sync(() => void begun++),
              Effect.sleep("1 second")
            )
          )
          yield* Effect.all([long, signal("go")], { concurrency: "unbounded" })
        })
        const made = yield* engine(run, program, { lease: "200 millis" })
        yield* begin(made, run)
        yield* until("at work", () => begun === 1)
        yield* Effect.sleep("500 millis")
        // As another process would: the engine is not told.
        const store = yield* RunStore
        yield* store.signal(run, { name: "go", id: undefined, payload: "on" })
        yield* becomes(run, "done")
        assert.strictEqual(begun, 1)
        assert.deepStrictEqual(
          (yield* outcomes(run)).map(([, name]) => name),
          ["go", "long"]
        )
      }).pipe(Effect.scoped)
    )

    it.effect("a worker that learns that it lost its run aborts what it is in the middle of", () =>
      Effect.gen(function* () {
        const run = own()
        let aborted = false
        const endless = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (aborted = true)))
        // It claims once only: else it would vie with the other for the run that it lost.
        let claimed = 0
        const slow = yield* engine(run, step("work", endless), { lease: "100 millis" }, (store) => ({
          ...store,
          renew: () => Effect.never,
          claim: (options) =>
            claimed > 0
              ? Effect.succeed({ runs: [], nextMillis: undefined })
              : Effect.tap(store.claim(options), ({ runs }) => Effect.sync(() => void (claimed += runs.length)))
        }))
        yield* begin(slow, run)
        yield* becomes(run, "running")
        yield* engine(run, step("work", Effect.succeed("done")))
        yield* becomes(run, "done")
        yield* until("aborted", () => aborted)
      }).pipe(Effect.scoped)
    )

    it.effect("a worker that stops gives its runs back at once, and the next goes on where it was", () =>
      Effect.gen(function* () {
        const run = own()
        const executed: Array<string> = []
        const program = Effect.gen(function* () {
          yield* step(
            "first",
            Effect.sync(() => executed.push("first"))
          )
          yield* step(
            "second",
            executed.length < 2
              ? Effect.andThen(
                  Effect.sync(() => executed.push("cut")),
                  Effect.never
                )
              : Effect.void
          )
        })
        const one = yield* engine(run, program, { lease: "1 hour" })
        yield* begin(one, run)
        yield* until("in the second step", () => executed.length === 2)
        yield* one.stop
        yield* engine(run, program, { lease: "1 hour" })
        yield* becomes(run, "done")
        assert.deepStrictEqual(executed, ["first", "cut"])
      }).pipe(Effect.scoped)
    )

    it.effect("a worker that stops waits for many bodies that take no notice no longer than for one", () =>
      Effect.gen(function* () {
        const first = own()
        let begun = 0
        const stubborn = Effect.uninterruptible(
          Effect.andThen(
            Effect.sync(() => void begun++),
            Effect.sleep("1 hour")
          )
        )
        const made = yield* engine(first, step("work", stubborn), { lease: "1 hour" })
        const runs = Array.from({ length: 10 }, (_, index) => ({ ...first, key: `${first.key}/${index}` }))
        for (const run of runs) yield* begin(made, run)
        yield* until("all are at work", () => begun === runs.length)
        const [took] = yield* Effect.timed(made.stop)
        assert.isBelow(Duration.toMillis(took), 5000)
        for (const run of runs) assert.strictEqual((yield* standing(run))?.status, "waiting")
      }).pipe(Effect.scoped)
    )

    it.effect("a run that only waits is nobody's, and a signal from elsewhere wakes it", () =>
      Effect.gen(function* () {
        const run = own()
        let attempts = 0
        const program = Effect.gen(function* () {
          attempts++
          const durable = yield* Durable.Durable
          const word = yield* durable.signal("go")
          yield* step("heard", Effect.succeed(word))
        })
        const made = yield* engine(run, program)
        yield* begin(made, run)
        yield* becomes(run, "waiting")
        yield* until("begun", () => attempts === 1)
        yield* becomes(run, "waiting")
        // As another process would: the engine is not told.
        const store = yield* RunStore
        yield* store.signal(run, { name: "go", id: undefined, payload: "on" })
        yield* becomes(run, "done")
        assert.deepStrictEqual(yield* outcomes(run), [
          ["signal", "go", "on"],
          ["step", "heard", { value: "on" }]
        ])
        assert.strictEqual(attempts, 2)
      }).pipe(Effect.scoped)
    )

    it.effect("a signal that came before its run is not lost, and the first counts", () =>
      Effect.gen(function* () {
        const run = own()
        const program = Effect.flatMap(Durable.Durable, (durable) =>
          Effect.flatMap(durable.signal("go"), (word) => step("heard", Effect.succeed(word)))
        )
        const made = yield* engine(run, program)
        yield* go(made, run, "early")
        yield* go(made, run, "late")
        yield* begin(made, run)
        yield* begin(made, run)
        yield* becomes(run, "done")
        assert.deepStrictEqual((yield* outcomes(run))[1], ["step", "heard", { value: "early" }])
      }).pipe(Effect.scoped)
    )

    it.effect("more runs than places all come to their end", () =>
      Effect.gen(function* () {
        const first = own()
        let most = 0
        let now = 0
        const program = step(
          "work",
          Effect.sync(() => void (most = Math.max(most, ++now))).pipe(
            Effect.andThen(Effect.sleep(5)),
            Effect.andThen(Effect.sync(() => void now--))
          )
        )
        const made = yield* engine(first, program, { concurrency: 3 })
        const runs = Array.from({ length: 20 }, (_, index) => ({ ...first, key: `${first.key}/${index}` }))
        yield* Effect.forEach(runs, (run) => begin(made, run))
        yield* Effect.forEach(runs, (run) => becomes(run, "done"))
        assert.isAtMost(most, 3)
      }).pipe(Effect.scoped)
    )

    it.effect("a bug is tried a few times and then pauses the run, which goes on when it is resumed", () =>
      Effect.gen(function* () {
        for (const where of ["program", "step"]) {
          const run = own()
          let tried = 0
          let buggy = true
          const bug = Effect.sync(() => {
            tried++
            if (buggy) throw new Error("a bug in the job")
            return "mended"
          })
          const made = yield* engine(run, where === "step" ? step("work", bug) : bug)
          yield* begin(made, run)
          assert.include(yield* becomes(run, "paused"), "a bug in the job")
          assert.strictEqual(tried, 3, where)
          assert.isTrue(isAlive((yield* standing(run))?.status))
          buggy = false
          yield* made.resume(run)
          yield* becomes(run, "done")
        }
      }).pipe(Effect.scoped)
    )

    it.effect("a program that waits for what is not durable is paused and told so", () =>
      Effect.gen(function* () {
        const timer = Effect.promise(() => new Promise((done) => setTimeout(done, 10)))
        const sleep = Effect.flatMap(Durable.Durable, (durable) => durable.sleep("1 minute"))
        const programs: ReadonlyArray<Program> = [
          timer,
          Effect.all([sleep, timer], { concurrency: "unbounded" }),
          Effect.flatMap(Durable.Durable, (durable) => durable.step("outer", durable.sleep(1)))
        ]
        for (const program of programs) {
          const run = own()
          yield* begin(yield* engine(run, program), run)
          assert.include(yield* becomes(run, "paused"), "something that is not durable")
        }
      }).pipe(Effect.scoped)
    )

    it.effect(
      "a program that goes round without waiting keeps nobody from working, and is paused and told so",
      () =>
        Effect.gen(function* () {
          const run = own()
          let rounds = 0
          let bodies = 0
          let attempts = 0
          const polling = Effect.gen(function* () {
            attempts++
            const fiber = yield* Effect.forkChild(
              step(
                "work",
                Effect.delay(
                  Effect.sync(() => ++bodies),
                  10
                )
              )
            )
            while (fiber.pollUnsafe() === undefined) {
              rounds++
              yield* Effect.yieldNow
            }
          })
          const looping = yield* engine(run, Effect.andThen(step("before", Effect.succeed(1)), polling))
          const other = own()
          const working = yield* engine(
            other,
            Effect.forEach([1, 2, 3], () => Effect.andThen(naps, step("rest", Effect.sleep(5))))
          )
          yield* begin(looping, run)
          yield* until("it goes round", () => rounds > 0)
          yield* begin(working, other)
          yield* becomes(other, "done")
          assert.strictEqual(attempts, 1, "the other run was done meanwhile")
          assert.include(yield* becomes(run, "paused"), "went on for more than 2 seconds without waiting")
          assert.strictEqual(attempts, 3)
          const then = rounds
          yield* Effect.sleep(100)
          assert.deepStrictEqual([rounds, bodies], [then, 0])
        }).pipe(Effect.scoped),
      // Six seconds of the processor's time, however many others want it.
      120_000
    )

    it.effect("a step whose name cannot be stored is done once, under a name that can", () =>
      Effect.gen(function* () {
        const run = own()
        const half = "hello 😀".slice(0, 7)
        let done = 0
        let attempts = 0
        const program = Effect.gen(function* () {
          attempts++
          for (const name of ["nul \0", half])
            yield* step(
              name,
              Effect.sync(() => ++done)
            )
          const durable = yield* Durable.Durable
          yield* durable.signal("go")
        })
        const made = yield* engine(run, program)
        yield* begin(made, run)
        yield* until("done", () => done === 2)
        yield* becomes(run, "waiting")
        yield* go(made, run, "on")
        yield* becomes(run, "done")
        assert.deepStrictEqual([done, attempts], [2, 2])
        assert.deepStrictEqual(
          (yield* outcomes(run)).map(([, name]) => name),
          ["nul \ufffd", "hello \ufffd", "go"]
        )
      }).pipe(Effect.scoped)
    )

    it.effect("a signal whose id cannot be stored is refused where it is sent, and where it is waited for", () =>
      Effect.gen(function* () {
        for (const id of ["nul \0", "half \ud83d"]) {
          const [waiting, sending] = [own(), own()]
          const wait = Effect.flatMap(Durable.Durable, (durable) => durable.signal("go", id))
          yield* begin(yield* engine(waiting, wait), waiting)
          assert.include(
            yield* becomes(waiting, "paused"),
            "waits for a signal that nobody can send: its name and id must not"
          )
          const send = Effect.flatMap(Durable.Durable, (durable) =>
            durable.notify({ ...Job, name: waiting.workflow }, waiting.key, "go", "on", id)
          )
          yield* begin(yield* engine(sending, send), sending)
          assert.include(yield* becomes(sending, "paused"), "signal id must not")
        }
      }).pipe(Effect.scoped)
    )

    it.effect("code that does not fit a run's journal pauses it, naming the first difference", () =>
      Effect.gen(function* () {
        const run = own()
        const wait = Effect.flatMap(Durable.Durable, (durable) => durable.signal("go"))
        const old = yield* engine(run, Effect.andThen(step("one", Effect.succeed(1)), wait))
        yield* begin(old, run)
        yield* eventually(outcomes(run), (found) => found.length === 1)
        yield* becomes(run, "waiting")
        yield* old.stop
        const changed = yield* engine(run, Effect.andThen(step("another", Effect.succeed(1)), wait))
        yield* go(changed, run, "on")
        const problem = yield* becomes(run, "paused")
        assert.include(problem, 'Operation 0 is the step "one" in the journal and the step "another" in the program')
      }).pipe(Effect.scoped)
    )

    it.effect("a cancelled run is interrupted in the middle of a step or a wait, and its finalizers take steps", () =>
      Effect.gen(function* () {
        for (const wait of ["step", "signal"]) {
          const run = own()
          let begun = false
          let aborted = false
          const begins = Effect.sync(() => void (begun = true))
          const body = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (aborted = true)))
          const program = Effect.onInterrupt(
            wait === "step"
              ? step("endless", Effect.andThen(begins, body))
              : Effect.andThen(
                  begins,
                  Effect.flatMap(Durable.Durable, (durable) => durable.signal("go"))
                ),
            () => step("clean up", Effect.succeed("clean"))
          )
          const made = yield* engine(run, program)
          yield* begin(made, run)
          yield* until("it begins", () => begun)
          yield* becomes(run, wait === "step" ? "running" : "waiting")
          yield* made.cancel(run)
          yield* becomes(run, "cancelled")
          assert.strictEqual(aborted, wait === "step")
          assert.deepStrictEqual((yield* outcomes(run)).at(-1), ["step", "clean up", { value: "clean" }])
          assert.isFalse(isAlive((yield* standing(run))?.status))
        }
      }).pipe(Effect.scoped)
    )

    it.effect(
      "a run that crashes as it is cancelled is cancelled all the same, and its finalizers take steps once",
      () =>
        Effect.gen(function* () {
          for (const point of ["executed", "journaled"]) {
            const run = own()
            let crashed = 0
            let cleaned = 0
            const program = Effect.onInterrupt(
              Effect.flatMap(Durable.Durable, ({ sleep }) => sleep("1 hour")),
              () =>
                step(
                  "clean up",
                  Effect.sync(() => ++cleaned)
                )
            )
            const crashing = (passed: string, what: string) =>
              passed === point && what === "cancel" && crashed++ === 0 ? Effect.die(new Crash("now")) : Effect.void
            const made = yield* Effect.provideService(engine(run, program), Checkpoint, crashing)
            yield* begin(made, run)
            yield* becomes(run, "waiting")
            yield* made.cancel(run)
            yield* becomes(run, "cancelled")
            assert.deepStrictEqual([crashed > 0, cleaned], [true, 1], point)
          }
        }).pipe(Effect.scoped)
    )

    it.effect("a paused run that is cancelled is over, and its finalizers take steps", () =>
      Effect.gen(function* () {
        const run = own()
        const bug = Effect.sync((): void => {
          throw new Error("a bug in the job")
        })
        const program = Effect.onInterrupt(step("bug", bug), () => step("clean up", Effect.succeed("clean")))
        const made = yield* engine(run, program)
        yield* begin(made, run)
        yield* becomes(run, "paused")
        yield* made.cancel(run)
        yield* becomes(run, "cancelled")
        assert.deepStrictEqual((yield* outcomes(run)).at(-1), ["step", "clean up", { value: "clean" }])
      }).pipe(Effect.scoped)
    )

    it.effect("what a program does with a result or a payload, its own from then on, does not change the journal", () =>
      Effect.gen(function* () {
        const run = own()
        const seen: Array<ReadonlyArray<string>> = []
        const program = Effect.gen(function* () {
          const durable = yield* Durable.Durable
          const list = yield* durable.step(
            "list",
            Effect.sync(() => ["one"])
          )
          list.push("more")
          const word = yield* durable.signal("go")
          if (Array.isArray(word)) word.push("more")
          yield* durable.signal("go", "again")
          seen.push([...list, ...(Array.isArray(word) ? word : [])].map(String))
        })
        const made = yield* engine(run, program)
        yield* begin(made, run)
        yield* becomes(run, "waiting")
        const store = yield* RunStore
        const payload = ["two"]
        yield* store.signal(run, { name: "go", id: undefined, payload })
        payload.push("more")
        yield* Effect.repeat(outcomes(run), { until: (all) => all.length === 2, schedule: Schedule.spaced("5 millis") })
        yield* becomes(run, "waiting")
        yield* store.signal(run, { name: "go", id: "again", payload: "on" })
        yield* becomes(run, "done")
        assert.deepStrictEqual(seen, [["one", "more", "two", "more"]])
        assert.deepStrictEqual((yield* outcomes(run)).slice(0, 2), [
          ["step", "list", { value: ["one"] }],
          ["signal", "go", ["two"]]
        ])
      }).pipe(Effect.scoped)
    )

    it.effect("a failure of the program ends its run, and a step's typed failure survives a replay", () =>
      Effect.gen(function* () {
        const run = own()
        const seen: Array<string> = []
        const program = Effect.gen(function* () {
          const durable = yield* Durable.Durable
          const refused = yield* Effect.flip(
            durable.step("refuse", Effect.fail(new Refused({ why: "no" })), { failure: Refused })
          )
          seen.push(refused instanceof Refused ? refused.why : "another class")
          yield* durable.signal("go")
          return yield* refused
        })
        const made = yield* engine(run, program)
        yield* begin(made, run)
        yield* until("refused", () => seen.length === 1)
        yield* becomes(run, "waiting")
        yield* go(made, run, "on")
        assert.include(yield* becomes(run, "failed"), "LawJobRefused")
        assert.deepStrictEqual(seen, ["no", "no"])
      }).pipe(Effect.scoped)
    )

    it.effect("a store that does not answer for a while is waited for", () =>
      Effect.gen(function* () {
        const run = own()
        const calls = { claim: 0, read: 0, write: 0 }
        const flaky = <A, E2>(what: keyof typeof calls, effect: Effect.Effect<A, E2>) =>
          Effect.suspend((): Effect.Effect<A, E2 | Unavailable> =>
            ++calls[what] % 3 === 0 ? effect : Effect.fail(new Unavailable({ what: "The store" }))
          )
        const made = yield* engine(
          run,
          Effect.all(
            [1, 2, 3].map((each) => step(`step ${each}`, Effect.succeed(each))),
            { concurrency: "unbounded" }
          ),
          {},
          (store) => ({
            ...store,
            claim: (asked) => flaky("claim", store.claim(asked)),
            read: (claim) => flaky("read", store.read(claim)),
            write: (claim, offset, write) => flaky("write", store.write(claim, offset, write))
          })
        )
        yield* begin(made, run)
        yield* becomes(run, "done")
        assert.lengthOf(yield* outcomes(run), 3)
      }).pipe(Effect.scoped)
    )

    it.effect("a write whose answer was lost is made once", () =>
      Effect.gen(function* () {
        const run = own()
        let lost = 0
        const made = yield* engine(
          run,
          Effect.andThen(step("one", Effect.succeed(1)), step("two", Effect.succeed(2))),
          {},
          (store) => ({
            ...store,
            write: (claim, offset, write) =>
              Effect.flatMap(store.write(claim, offset, write), () =>
                lost++ % 2 === 0 ? Effect.fail(new Unavailable({ what: "The store" })) : Effect.void
              )
          })
        )
        yield* begin(made, run)
        yield* becomes(run, "done")
        assert.deepStrictEqual(yield* outcomes(run), [
          ["step", "one", { value: 1 }],
          ["step", "two", { value: 2 }]
        ])
      }).pipe(Effect.scoped)
    )
  })
