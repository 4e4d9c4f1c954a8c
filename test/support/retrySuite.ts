/** Where a retry begins: at what the run failed by, the first time, however the program has told of that. */
import * as Agent from "@tenon/agents/Agent"
import type { AgentContext } from "@tenon/agents/AgentContext"
import { AgentRun } from "@tenon/agents/AgentRun"
import { Question } from "@tenon/agents/Question"
import type { CurrentActor } from "@tenon/core/Actor"
import { Durable } from "@tenon/core/Durable"
import type { Interpreter } from "@tenon/core/Interpreter"
import type { Repository } from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import { assert } from "@effect/vitest"
import type * as Vitest from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { conversation, eventually } from "./agentDomain.ts"

class Ill extends Schema.TaggedError<Ill>()("Ill", { part: Schema.String }) {}
class Whole extends Schema.TaggedError<Whole>()("Whole", {}) {}

/** How often each part was done, which fail, and whether the programs are as they were when they failed. */
const done = new Map<string, number>()
const ill = new Set<string>()
let mended = false
const doing = (part: string) =>
  Effect.suspend(() => {
    done.set(part, (done.get(part) ?? 0) + 1)
    return ill.has(part) ? Effect.fail(new Ill({ part })) : Effect.succeed(done.get(part) ?? 0)
  })
const step = (ctx: AgentContext<unknown>, part: string) => ctx.step(part, doing(part), { failure: Ill })
const cleaningUp = (ctx: AgentContext<unknown>) => () => Effect.ignore(step(ctx, "clean up"))

const failingLast = <E>(name: string, fail: (ctx: AgentContext<unknown>) => Effect.Effect<unknown, E, Durable>) =>
  Agent.make(name, (ctx) =>
    Effect.andThen(step(ctx, "first"), fail(ctx)).pipe(Effect.andThen(ctx.writeMessage("done")))
  )

/** Each fails by its step `last`, tells of it in its own way, and cleans up. */
const ways = [
  failingLast("fails with another failure", (ctx) =>
    step(ctx, "last").pipe(
      Effect.tapError(cleaningUp(ctx)),
      Effect.mapError(() => new Whole())
    )
  ),
  failingLast("fails with another failure, of two at once", (ctx) =>
    Effect.all([step(ctx, "last"), ctx.sleep("20 millis")], { concurrency: "unbounded" }).pipe(
      Effect.catch(() => Effect.andThen(cleaningUp(ctx)(), Effect.fail(new Whole())))
    )
  ),
  failingLast("fails with words", (ctx) =>
    ctx
      .step(
        "last",
        Effect.catch(doing("last"), () => Effect.fail("no luck")),
        { failure: Schema.String }
      )
      .pipe(Effect.tapError(cleaningUp(ctx)))
  ),
  failingLast("fails with the failure inside of another", (ctx) =>
    step(ctx, "last").pipe(
      Effect.tapError(cleaningUp(ctx)),
      Effect.mapError((failure) => ({ reasons: [{ failure }] }))
    )
  ),
  failingLast("fails after it tried again", (ctx) =>
    step(ctx, "last").pipe(
      Effect.retry({ times: 1, schedule: Schedule.spaced("5 millis") }),
      Effect.tapError(cleaningUp(ctx)),
      Effect.mapError(() => new Whole())
    )
  ),
  failingLast("throws because of it", (ctx) =>
    step(ctx, "last").pipe(
      Effect.tapError(cleaningUp(ctx)),
      Effect.catch(() => Effect.die(new Error("last")))
    )
  ),
  failingLast("fails by a step of the service itself, after one that it has dealt with", (ctx) =>
    Effect.gen(function* () {
      const durable = yield* Durable
      yield* Effect.ignore(step(ctx, "dealt with"))
      const last = yield* Effect.exit(durable.step("last", doing("last"), { failure: Ill }))
      yield* Effect.ignore(durable.step("dealt with too", doing("dealt with too"), { failure: Ill }))
      yield* last
    })
  )
] as const

/** Deals with a failure, does what must not be done twice, and fails by what it makes of what it was given. */
const deciding = Agent.make("decides", (ctx) =>
  Effect.gen(function* () {
    yield* Effect.ignore(step(ctx, "dealt with"))
    yield* step(ctx, "charge")
    if (!mended) return yield* new Whole()
    yield* ctx.writeMessage("mended")
  })
)

/** Fails by what it was given, where nothing has failed. */
const choosy = Agent.make("is choosy", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "first")
    const count = yield* step(ctx, "last")
    yield* ctx.writeMessage(`it is ${count}`)
    if (count < 2) return yield* new Whole()
  })
)

/** Fails by what a person has said. */
const dependent = Agent.make("depends on a person", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "first")
    const sure = yield* ctx.ask("Sure?", Schema.Boolean)
    yield* ctx.writeMessage(`sure: ${sure}`)
    if (!sure) return yield* new Whole()
  })
)

/** Has a bug where a value is not what it was taken for. */
const surprised = Agent.make("is surprised", (ctx) =>
  Effect.gen(function* () {
    yield* step(ctx, "first")
    const count = yield* step(ctx, "last")
    if (count < 2 && !mended) throw new TypeError("count is not what it was taken for")
    yield* ctx.writeMessage(`it is ${count}`)
  })
)

/** Has a bug in a step, after a failure that it has dealt with. */
const buggy = Agent.make("has a bug in a step", (ctx) =>
  Effect.gen(function* () {
    yield* Effect.ignore(step(ctx, "dealt with"))
    yield* ctx.step("bug", mended ? Effect.void : Effect.die(new Error("a bug")))
    yield* ctx.writeMessage("mended")
  })
)

/** The agents of this suite. */
export const agents = [...ways, deciding, choosy, dependent, surprised, buggy] as const

/** Declares the tests in a suite whose layer runs these agents. */
export const retry = (it: Vitest.Vitest.MethodsNonLive<Interpreter | Repository | CurrentActor>) => {
  const begin = Effect.fnUntraced(function* (agent: string, ...failing: ReadonlyArray<string>) {
    done.clear()
    ill.clear()
    mended = false
    for (const part of failing) ill.add(part)
    const talk = yield* conversation(agent)
    yield* talk.post("1")
    const ended = (id: string) =>
      eventually(
        Effect.map(talk.runs, (rows) => rows.find((each) => each.id === id)?.status),
        (status) => status === "DONE" || status === "FAILED"
      )
    const again = (id: string) =>
      Effect.gen(function* () {
        const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, id)
        return { id: runId, status: yield* ended(runId) }
      })
    const [run] = yield* eventually(talk.runs, (rows) => rows.length > 0)
    return { ...talk, run: run?.id ?? "", ended, again }
  })

  const answer = (question: { readonly id: string }, answer: boolean) =>
    Tenon.invoke(Question.actions.answer, question.id, { answer })

  for (const way of ways) {
    it.effect(`a retry of one that ${way.name} begins there`, () =>
      Effect.gen(function* () {
        const { again, ended, run } = yield* begin(way.name, "last", "dealt with", "dealt with too")
        assert.strictEqual(yield* ended(run), "FAILED")
        const before = Object.fromEntries(done)
        ill.clear()
        assert.strictEqual((yield* again(run)).status, "DONE")
        const { first = 0, last = 0 } = before
        assert.deepInclude(Object.fromEntries(done), { first, last: last + 1 })
      })
    )
  }

  it.effect("a retry of a retry that failed again begins there too, however often", () =>
    Effect.gen(function* () {
      const { again, ended, run, said } = yield* begin("fails with another failure", "last")
      yield* ended(run)
      const second = yield* again(run)
      const third = yield* again(second.id)
      assert.deepStrictEqual([second.status, third.status], ["FAILED", "FAILED"])
      assert.deepStrictEqual(Object.fromEntries(done), { first: 1, last: 3, "clean up": 3 })
      ill.clear()
      assert.strictEqual((yield* again(third.id)).status, "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { first: 1, last: 4, "clean up": 3 })
      assert.strictEqual((yield* said).at(-1), "done")
    })
  )

  it.effect("a retry of a program that was mended does nothing twice", () =>
    Effect.gen(function* () {
      const { again, ended, run, said } = yield* begin("decides", "dealt with")
      yield* ended(run)
      mended = true
      assert.strictEqual((yield* again(run)).status, "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { "dealt with": 1, charge: 1 })
      assert.strictEqual((yield* said).at(-1), "mended")
    })
  )

  it.effect("a retry of one that fails by what a step gave does that step again", () =>
    Effect.gen(function* () {
      const { again, ended, run, said } = yield* begin("is choosy")
      yield* ended(run)
      assert.strictEqual((yield* again(run)).status, "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { first: 1, last: 2 })
      assert.strictEqual((yield* said).at(-1), "it is 2")
    })
  )

  it.effect("a retry of one that fails by what a person said asks again", () =>
    Effect.gen(function* () {
      const { ended, question, run, said } = yield* begin("depends on a person")
      yield* answer(yield* question, false)
      assert.strictEqual(yield* ended(run), "FAILED")
      const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, run)
      yield* answer(yield* question, true)
      assert.strictEqual(yield* ended(runId), "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { first: 1 })
      assert.strictEqual((yield* said).at(-1), "sure: true")
    })
  )

  it.effect("a retry of one with a bug goes on where that was mended, and else does again what it met it by", () =>
    Effect.gen(function* () {
      const one = yield* begin("is surprised")
      yield* one.ended(one.run)
      assert.strictEqual((yield* one.again(one.run)).status, "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { first: 1, last: 2 })
      const other = yield* begin("is surprised")
      yield* other.ended(other.run)
      mended = true
      assert.strictEqual((yield* other.again(other.run)).status, "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { first: 1, last: 1 })
    })
  )

  it.effect("a retry of one that a bug in a step has paused begins with that step", () =>
    Effect.gen(function* () {
      const { again, ended, run } = yield* begin("has a bug in a step", "dealt with")
      yield* ended(run)
      mended = true
      assert.strictEqual((yield* again(run)).status, "DONE")
      assert.deepStrictEqual(Object.fromEntries(done), { "dealt with": 1 })
    })
  )
}
