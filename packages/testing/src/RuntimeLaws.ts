/**
 * What every runtime owes an application: the same programs leave the same trace in the store, with or without crashes.
 *
 * Each program runs once undisturbed, then once more for every checkpoint that it passed, with a crash there. The trace
 * is what the store committed, object by object and in order; that of each program is in `RuntimeLawsTraces`.
 */
import { CurrentActor } from "@tenon/core/Actor"
import * as Action from "@tenon/core/Action"
import * as AuditLog from "@tenon/core/AuditLog"
import { Checkpoint } from "@tenon/core/Checkpoint"
import * as Durable from "@tenon/core/Durable"
import * as Executor from "@tenon/core/Executor"
import * as Field from "@tenon/core/Field"
import * as Interpreter from "@tenon/core/Interpreter"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Outcome from "@tenon/core/Outcome"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import type { Receipts } from "@tenon/core/Receipts"
import type { RowStore } from "@tenon/core/RowStore"
import type { Runtime } from "@tenon/core/Runtime"
import * as Tenon from "@tenon/core/Tenon"
import type { Outbox } from "@tenon/core/UnitOfWork"
import { type Plan, UnitOfWork } from "@tenon/core/UnitOfWork"
import * as Workflow from "@tenon/core/Workflow"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { CrashPoints } from "./CrashPoints.ts"
import { expected, type Trace } from "./RuntimeLawsTraces.ts"
import * as Testing from "./Testing.ts"

class Closed extends Schema.TaggedError<Closed>()("LawClosed", { id: Schema.String }, { httpStatus: 409 }) {}

/** Not durable: what reaches it from a durable object shows that sends go there too. */
const Note = Resource.make("LawNote", {
  fields: { id: Field.Id, texts: Schema.Array(Schema.String) },
  actions: (on) => ({
    write: on.action({ self: "optional", input: { text: Schema.String } }, ({ self, input }, context) =>
      on.save({ id: context.key, texts: [...(self?.texts ?? []), input.text] }).pipe(Outcome.as(undefined))
    )
  })
})

const add = Action.ref("LawAccount", "add", { input: { amount: Schema.Int } })

const Run = Workflow.make("LawRun", {
  input: { account: Schema.String, note: Schema.String },
  signals: { go: Schema.String }
})

const Parent = Workflow.make("LawParent", {
  input: { account: Schema.String, note: Schema.String },
  signals: { answer: Schema.String }
})

const Child = Workflow.make("LawChild", { input: { parent: Schema.String } })

const Wait = Workflow.make("LawWait", {
  input: { note: Schema.String },
  signals: { go: Schema.String, end: Schema.String }
})

/** Its actions cannot be repeated: each would show in the balance. */
const Account = Resource.make("LawAccount", {
  durable: true,
  fields: {
    id: Field.Id,
    open: Schema.Boolean.pipe(Field.withDefault(true)),
    history: Schema.Array(Schema.Int).pipe(Field.withDefault([])),
    version: Field.Version
  },
  actions: (on) => ({
    create: on.create({}),
    add: on.update({ input: { amount: Schema.Int }, errors: [Closed] }, ({ self, input }) =>
      self.open ? { ...self, history: [...self.history, input.amount] } : Result.fail(new Closed({ id: self.id }))
    ),
    close: on.update({ errors: [Closed] }, ({ self }) =>
      self.open ? { ...self, open: false } : Result.fail(new Closed({ id: self.id }))
    ),
    reopen: on.update({}, ({ self }) => ({ ...self, open: true })),
    pay: on.action(
      { input: { to: Schema.String, amounts: Schema.Array(Schema.Int) }, touches: [add, Note] },
      ({ self, input }) =>
        on.save({ ...self, history: [...self.history, -input.amounts.length] }).pipe(
          Outcome.forEach(input.amounts, (amount) => Outcome.send(add, input.to, { amount })),
          Outcome.as(undefined)
        )
    ),
    later: on.action(
      { input: { to: Schema.String, amount: Schema.Int, millis: Schema.Int }, touches: [add] },
      ({ self, input }) =>
        on.save(self).pipe(
          // A number of JSON cannot say for ever.
          Outcome.send(add, input.to, { amount: input.amount }, { delay: input.millis < 0 ? Infinity : input.millis }),
          Outcome.as(undefined)
        )
    ),
    tell: on.action({ input: { note: Schema.String }, touches: [Note.actions.write] }, ({ self, input }) =>
      on.save({ ...self, history: [...self.history, 1] }).pipe(
        Outcome.sendAfter(Note.actions.write, input.note, (saved) => ({ text: `saw ${saved.history.join()}` })),
        Outcome.as(undefined)
      )
    ),
    begin: on.action({ input: { run: Schema.String, note: Schema.String }, touches: [Run] }, ({ self, input }) =>
      Outcome.nothing.pipe(
        Outcome.startWorkflow(Run, { key: input.run, input: { account: self.id, note: input.note } }),
        Outcome.startWorkflow(Run, { key: input.run, input: { account: self.id, note: input.note } })
      )
    ),
    raise: on.action({ input: { run: Schema.String, note: Schema.String }, touches: [Parent] }, ({ self, input }) =>
      Outcome.nothing.pipe(
        Outcome.startWorkflow(Parent, { key: input.run, input: { account: self.id, note: input.note } })
      )
    ),
    /** Says something late, and then something else at once. */
    remind: on.action({ input: { run: Schema.String, note: Schema.String }, touches: [Wait] }, ({ input }) => {
      const say = (signal: "go" | "end", payload: string, delay: number) =>
        Outcome.signal(Wait, { key: input.run, signal, payload, delay })
      return Outcome.nothing.pipe(
        Outcome.startWorkflow(Wait, { key: input.run, input: { note: input.note } }),
        say("go", "late", 800),
        say("end", "the end", 400),
        say("go", "soon", 0)
      )
    }),
    approve: on.action({ input: { run: Schema.String, word: Schema.String }, touches: [Run] }, ({ input }) =>
      Outcome.nothing.pipe(Outcome.signal(Run, { key: input.run, signal: "go", payload: input.word }))
    )
  })
})

const registry = Registry.make({ resources: [Account, Note], workflows: [Run, Parent, Child, Wait] })

class Flaky extends Schema.TaggedError<Flaky>()("LawFlaky", { left: Schema.Int }) {}

/** Calls actions, one of which refuses; starts a run; waits for two signals of one name that it gives. */
const parent = Workflow.implement(
  Parent,
  Effect.fnUntraced(function* ({ account, note }) {
    const durable = yield* Durable.Durable
    yield* durable.start(Child, `${durable.key} child`, { parent: durable.key })
    const both = yield* Effect.all([durable.signal("answer", "1"), durable.signal("answer", "2")], {
      concurrency: "unbounded"
    })
    const { history } = yield* durable.call(Account.actions.add, account, { amount: 3 })
    yield* durable.call(Account.actions.close, account, {})
    const refused = yield* Effect.flip(durable.call(Account.actions.add, account, { amount: 4 }))
    const kind = refused instanceof Closed ? `closed ${refused.id}` : String(refused)
    yield* durable.send(Note.actions.write, note, { text: `${both.join()} ${history.join()} ${kind}` }, { delay: 10 })
  })
)

const child = Workflow.implement(
  Child,
  Effect.fnUntraced(function* ({ parent }) {
    const durable = yield* Durable.Durable
    yield* durable.notify(Parent, parent, "answer", "two", "2")
    yield* durable.notify(Parent, parent, "answer", "one", "1")
    yield* durable.notify(Parent, parent, "answer", "one", "1")
  })
)

const wait = Workflow.implement(
  Wait,
  Effect.fnUntraced(function* ({ note }) {
    const durable = yield* Durable.Durable
    const text = `${yield* durable.signal("end")}, ${yield* durable.signal("go")}`
    yield* durable.send(Note.actions.write, note, { text })
  })
)

/** Steps one after another, side by side, retried and raced; a sleep, a signal, and sends in between. */
const runs = Workflow.layer(
  parent,
  child,
  wait,
  Effect.suspend(() => {
    let draws = 0
    return Workflow.implement(
      Run,
      Effect.fnUntraced(function* ({ account, note }) {
        const durable = yield* Durable.Durable
        const write = (text: string) => durable.send(Note.actions.write, note, { text })
        // Another number at every execution; only the journal makes it stay.
        const drawn = yield* durable.step(
          "draw",
          Effect.sync(() => ++draws)
        )
        yield* write("drawn")
        const squares = yield* Effect.all(
          [1, 2, 3].map((each) =>
            durable.step(`square ${each}`, Effect.delay(Effect.succeed(each * each), 10 * (3 - each)))
          ),
          { concurrency: "unbounded" }
        )
        let failures = 0
        const flaky = durable.step(
          "flaky",
          Effect.suspend(() =>
            failures < 2 ? Effect.fail(new Flaky({ left: 2 - failures })) : Effect.succeed("steady")
          ),
          { failure: Flaky }
        )
        const steady = yield* flaky.pipe(
          Effect.tapError((error) => {
            failures += error instanceof Flaky ? 1 : 100
            return Effect.void
          }),
          Effect.retry(Schedule.spaced("5 millis"))
        )
        const slow = yield* durable.sleep("1 hour").pipe(Effect.as("slept"), Effect.timeoutOption("20 millis"))
        const first = yield* Effect.race(
          Effect.as(durable.sleep("2 hours"), "slow"),
          durable.step("quick", Effect.succeed("quick"))
        )
        yield* write(`${squares.join()} ${steady} ${slow._tag} ${first}`)
        yield* durable.sleep("20 millis")
        const word = yield* durable.signal("go")
        const same = yield* durable.step(
          "compare",
          Effect.sync(() => drawn <= draws)
        )
        yield* write(`${String(word)} ${same}`)
        yield* durable.send(Account.actions.add, account, { amount: 100 })
      })
    )
  })
)

const words = (plan: Plan) =>
  plan.changes.map((change) => (change._tag === "Save" ? `save ${JSON.stringify(change.row)}` : `remove ${change.key}`))

/** Notes what the store commits. A receipt that is found again commits nothing. */
const watched = <E, S>(
  commits: Map<string, Array<string>>,
  store: Layer.Layer<UnitOfWork | RowStore | Outbox | Receipts | S, E>
): Layer.Layer<UnitOfWork | RowStore | Outbox | Receipts | S, E> =>
  Layer.effect(
    UnitOfWork,
    Effect.map(UnitOfWork, (inner) =>
      UnitOfWork.of({
        run: (work) =>
          Effect.suspend(() => {
            let plan: Plan | undefined
            const decide: typeof work.decide = (...args) => {
              const decided = work.decide(...args)
              plan = Result.isSuccess(decided) ? decided.success : undefined
              return decided
            }
            return Effect.tap(inner.run({ ...work, decide }), () =>
              Effect.sync(() => {
                if (plan === undefined) return
                const name = JSON.stringify([work.actor.tenantId, work.self.resource.name, work.self.key])
                commits.set(name, [...(commits.get(name) ?? []), ...words(plan)])
              })
            )
          })
      })
    )
  ).pipe(Layer.provideMerge(store))

type Program = Effect.Effect<unknown, unknown, Interpreter.Interpreter | CurrentActor>

const open = (key: string) =>
  Effect.flatMap(Interpreter.Interpreter, (interpreter) =>
    interpreter.perform({ resource: "LawAccount", action: "create", key, input: {} })
  )

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect as Effect.Effect<unknown, E, R>), ({ _tag }) => _tag)

/** Every program starts with two accounts, `a` and `b`. What it returns is part of what must not change. */
const programs: { readonly [name: string]: Program } = {
  "an action that cannot be repeated is done once": Effect.gen(function* () {
    const one = yield* Tenon.invoke(Account.actions.add, "a", { amount: 1 })
    const two = yield* Tenon.invoke(Account.actions.add, "a", { amount: 2 })
    return [one.history, two.history]
  }),
  "a declared failure keeps its type and changes nothing": Effect.gen(function* () {
    yield* Tenon.invoke(Account.actions.close, "a")
    return [
      yield* tag(Tenon.invoke(Account.actions.close, "a")),
      yield* tag(Tenon.invoke(Account.actions.add, "a", { amount: 1 })),
      yield* tag(Tenon.invoke(Account.actions.add, "nobody", { amount: 1 }))
    ]
  }),
  "sends arrive once and in order": Tenon.invoke(Account.actions.pay, "a", { to: "b", amounts: [1, 2, 3] }),
  "a send to the object itself waits for its turn": Tenon.invoke(Account.actions.pay, "a", {
    to: "a",
    amounts: [1, 2]
  }),
  "a send whose target refuses it holds nothing up": Effect.andThen(
    Tenon.invoke(Account.actions.close, "b"),
    Effect.andThen(
      Tenon.invoke(Account.actions.pay, "a", { to: "b", amounts: [1] }),
      Tenon.invoke(Account.actions.add, "a", { amount: 5 })
    )
  ),
  "what is sent after a save has seen it, and reaches what is not durable": Effect.gen(function* () {
    yield* Tenon.invoke(Account.actions.tell, "a", { note: "n" })
    yield* Tenon.invoke(Account.actions.tell, "a", { note: "m" })
  }),
  "a delayed send comes after those that are not": Effect.gen(function* () {
    yield* Tenon.invoke(Account.actions.later, "a", { to: "b", amount: 1, millis: 800 })
    yield* Tenon.invoke(Account.actions.pay, "a", { to: "b", amounts: [2] })
  }),
  "a delayed signal comes after those that are not": Tenon.invoke(Account.actions.remind, "a", { run: "w", note: "n" }),
  "a caller's key is done once, and so is what follows": Effect.gen(function* () {
    const pay = Tenon.invoke(Account.actions.pay, "a", { to: "b", amounts: [7] }, { idempotencyKey: "k" })
    yield* pay
    yield* pay
  }),
  "a delay that is longer than any runtime waits is refused, and changes nothing": Effect.gen(function* () {
    const later = (millis: number) => Tenon.invoke(Account.actions.later, "a", { to: "b", amount: 1, millis })
    const refused = [yield* Effect.flip(later(-1)), yield* Effect.flip(later(1e13))]
    const { history } = yield* Tenon.invoke(Account.actions.add, "a", { amount: 2 })
    return [...refused.map(String), history]
  }),
  "a failure is not remembered under the caller's key": Effect.gen(function* () {
    const add = Tenon.invoke(Account.actions.add, "a", { amount: 1 }, { idempotencyKey: "k" })
    yield* Tenon.invoke(Account.actions.close, "a")
    const refused = [yield* tag(add), yield* tag(add)]
    const { version } = yield* Tenon.invoke(Account.actions.reopen, "a")
    const one = yield* add
    return [refused, one, yield* add, version]
  }),
  "a version that did not fit may be mended under the same key": Effect.gen(function* () {
    const add = (expectedVersion: number) =>
      Tenon.invoke(Account.actions.add, "a", { amount: 1 }, { idempotencyKey: "k", expectedVersion })
    const { version } = yield* Tenon.invoke(Account.actions.reopen, "a")
    const refused = yield* tag(add(version - 1))
    const { history } = yield* add(version)
    return [refused, history]
  }),
  "a workflow's steps, waits, signals and sends": Effect.gen(function* () {
    yield* Tenon.invoke(Account.actions.begin, "a", { run: "r", note: "n" })
    yield* Tenon.invoke(Account.actions.begin, "a", { run: "r", note: "n" })
    yield* Tenon.invoke(Account.actions.approve, "b", { run: "r", word: "yes" })
    yield* Tenon.invoke(Account.actions.approve, "b", { run: "r", word: "no" })
  }),
  "a workflow calls, starts and notifies": Tenon.invoke(Account.actions.raise, "a", { run: "r", note: "n" })
}

/** What the laws are tried on. */
export interface Options<E, E2, S = never> {
  readonly runtime: Layer.Layer<Runtime, E, Executor.Executor | Workflow.Workflows | S>
  /** Default: in memory. Give one that holds nothing, and what else the runtime needs of a store. */
  readonly store?: (registry: Registry.Registry) => Layer.Layer<UnitOfWork | RowStore | Outbox | Receipts | S, E2>
  /** How long nothing must happen for a program to have ended, in milliseconds: longer than a retry. Default: 150. */
  readonly quiet?: number
  /** `test` for a runtime that takes its time from the test clock. Default: `live`. */
  readonly clock?: "live" | "test"
}

/** Declares the tests of a runtime, one per program. */
export const runtimeLaws = <E, E2 = never, S = never>(name: string, options: Options<E, E2, S>): void => {
  const points = new Map<string, CrashPoints>()
  const commits = new Map<string, Array<string>>()
  const store = (options.store?.(registry) ?? MemoryStore.layer(registry)) as Layer.Layer<
    UnitOfWork | RowStore | Outbox | Receipts | S,
    E2
  >
  const layer = Layer.mergeAll(Interpreter.layer, OutboxRelay.layer).pipe(
    Layer.provideMerge(options.runtime),
    Layer.provideMerge(Layer.mergeAll(Executor.layer(registry), runs)),
    Layer.provideMerge(Layer.mergeAll(watched(commits, store), AuditLog.layerLog)),
    Layer.provideMerge(
      Layer.succeed(Checkpoint, (point, what, tenantId) => points.get(tenantId)?.listen(point, what) ?? Effect.void)
    )
  )
  let tenants = 0
  const test = options.clock === "test"
  const pass = (millis: number) => (test ? TestClock.adjust(millis) : Effect.sleep(millis))

  const traceOf = (tenant: string): Trace => {
    const mine = [...commits].map(([id, entries]) => [JSON.parse(id) as ReadonlyArray<string>, entries] as const)
    const own = mine.filter(([[owner]]) => owner === tenant)
    return Object.fromEntries(own.map(([[, ...object], entries]) => [object.join(" "), entries]).toSorted())
  }
  const size = (trace: Trace) => Object.values(trace).flat().length

  /** Runs a program as a tenant of its own, until it has done as much as is expected and then nothing for a while. */
  const observe = Effect.fnUntraced(function* (program: Program, target: string | undefined, least: number) {
    const tenantId = `law ${name} ${++tenants}`
    const mine = new CrashPoints()
    return yield* Effect.gen(function* () {
      yield* open("a")
      yield* open("b")
      mine.begin(target)
      points.set(tenantId, mine)
      const returned = yield* program
      for (let waited = 0; size(traceOf(tenantId)) < least && waited < 15_000; waited += 10) yield* pass(10)
      const enough = target === undefined ? 1000 : (options.quiet ?? 150)
      for (let quiet = 0, last = -1; quiet < enough; quiet += 50) {
        yield* pass(50)
        const now = size(traceOf(tenantId)) + mine.passed.length
        if (now !== last) quiet = 0
        last = now
      }
      return {
        tenantId,
        returned,
        trace: traceOf(tenantId),
        passed: mine.passed,
        crashed: mine.crashed
      }
    }).pipe(Effect.provideService(CurrentActor, Testing.actor({ tenantId })))
  })

  it.layer(layer, { timeout: 120_000, excludeTestServices: !test })(`the laws of ${name}`, (it) => {
    for (const [law, program] of Object.entries(programs)) {
      it.effect(
        law,
        () =>
          Effect.gen(function* () {
            const { returned, trace } = expected[law] ?? { trace: {} }
            const undisturbed = yield* observe(program, undefined, size(trace))
            assert.isNotEmpty(undisturbed.passed)
            assert.deepStrictEqual(undisturbed.trace, trace)
            assert.deepStrictEqual(undisturbed.returned, returned)
            const ended = yield* Effect.forEach(
              undisturbed.passed,
              Effect.fnUntraced(function* (place) {
                const disturbed = yield* observe(program, place, size(trace))
                assert.isTrue(disturbed.crashed, `nothing came to ${place} again`)
                const what = `after a crash at ${place}`
                assert.deepStrictEqual(disturbed.trace, trace, what)
                assert.deepStrictEqual(disturbed.returned, returned, what)
                return [what, disturbed.tenantId] as const
              }),
              { concurrency: test ? 1 : 12 }
            )
            for (const [what, tenantId] of ended) {
              assert.deepStrictEqual(traceOf(tenantId), trace, `${what}, in the end`)
            }
          }),
        240_000
      )
    }
  })
}
