import * as DomainEvent from "@tenon/core/DomainEvent"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as PurityCheck from "@tenon/core/PurityCheck"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import * as Workflow from "@tenon/core/Workflow"
import { registry as application } from "@tenon/examples/app/App"
import { registry as examples } from "@tenon/examples/thread/Registry"
import { registry as laws } from "@tenon/testing/RepositoryLaws"
import { purityProof } from "@tenon/testing/PurityProof"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"

class Closed extends Schema.TaggedError<Closed>()("Closed", { id: Schema.String }) {}
class Secret extends Schema.TaggedError<Secret>()("Secret", {}) {}

const Note = Resource.make("Note", {
  fields: { id: Field.Id, text: Schema.String },
  actions: (on) => ({ write: on.create({ input: { text: Schema.String } }) })
})
const Run = Workflow.make("Run", { input: { id: Schema.String } })
const Happened = DomainEvent.make("Happened", { payload: { id: Schema.String } })

const fields = {
  id: Field.Id,
  ownerId: Schema.String,
  status: Schema.Literals(["OPEN", "CLOSED"]).pipe(Field.withDefault("OPEN")),
  tags: Schema.Array(Schema.String).pipe(Field.withDefault([])),
  count: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })).pipe(Field.withDefault(0)),
  createdAt: Field.CreatedAt
} as const

const aside = { value: 0 }

/** Each action is wrong in one way, most of them on some branch only. */
const Wrong = Resource.make("Wrong", {
  fields,
  actions: (on) => ({
    savesOther: on.action({}, ({ self }) =>
      self.status === "CLOSED" ? Outcome.save(Note, { text: "closed" }).pipe(Outcome.as(undefined)) : Outcome.nothing
    ),
    sends: on.action({}, ({ self }) =>
      Outcome.nothing.pipe(Outcome.when(self.status === "CLOSED", Outcome.send(Note.actions.write, "n", { text: "" })))
    ),
    starts: on.action({}, ({ self }) =>
      Outcome.nothing.pipe(Outcome.startWorkflow(Run, { key: self.id, input: { id: self.id } }))
    ),
    emits: on.action({ input: { ownerId: Schema.String } }, ({ input, self }) =>
      // Only where two drawn values are the same.
      Outcome.nothing.pipe(Outcome.when(input.ownerId === self.ownerId, Outcome.emit(Happened, { id: self.id })))
    ),
    clock: on.update({}, ({ self }) => ({ ...self, createdAt: DateTime.nowUnsafe() })),
    date: on.update({}, ({ self }) => ({ ...self, tags: [new Date().toISOString()] })),
    chance: on.update({}, ({ self }) => ({ ...self, count: Math.floor(Math.random() * 10) })),
    imported: on.update({}, ({ self }) => ({ ...self, ownerId: randomUUID() })),
    remembers: on.read({ output: Schema.Int }, () => ++aside.value),
    changesGiven: on.update({}, ({ self }) => {
      ;(self.tags as Array<string>).push("seen")
      return self
    }),
    throws: on.update({ input: { at: Schema.Int } }, ({ input, self }) => {
      const tag = self.tags[input.at]
      if (tag === undefined) throw new RangeError("no such tag")
      return self
    }),
    undeclared: on.update({}, ({ self }) =>
      self.status === "CLOSED" ? (Result.fail(new Secret()) as never) : { ...self, status: "CLOSED" as const }
    ),
    misspelt: on.update({}, ({ self }) => Result.succeed({ ...self, statuss: "OPEN" })),
    neverFits: on.update({}, ({ self }) => ({ ...self, count: -1 })),
    wrongOutput: on.read({ output: Schema.NonEmptyString }, () => ""),
    promises: on.read({ output: Schema.String }, () => Promise.resolve("") as never),
    loadThrows: on.action(
      { load: ({ self }) => ({ note: Load.one(Note, self.tags[9]!.trim()) }) },
      () => Outcome.nothing
    )
  })
})

/** What is right, however much it looks like the above. */
const Right = Resource.make("Right", {
  fields,
  transitions: { status: { OPEN: ["CLOSED"] } },
  actions: (on) => ({
    create: on.create({ input: { ownerId: Schema.String } }),
    bounded: on.update({ input: { count: Schema.Int } }, ({ input, self }) => ({ ...self, count: input.count })),
    close: on.update({ errors: [Closed] }, ({ self }) =>
      self.status === "CLOSED" ? Result.fail(new Closed({ id: self.id })) : { ...self, status: "CLOSED" }
    ),
    reopen: on.update({}, ({ self }) => ({ ...self, status: "OPEN" })),
    everything: on.action(
      {
        input: { ownerId: Schema.String },
        load: ({ self }) => ({ notes: Load.many(Note, { text: self.ownerId }), one: Load.one(Note, self.ownerId) }),
        touches: [Note, Note.actions.write, Run, Happened]
      },
      ({ input, loaded, self }, context) =>
        Outcome.save(Note, { text: `${loaded.notes.length} at ${DateTime.formatIso(context.now)}` }).pipe(
          Outcome.as(undefined),
          Outcome.when(input.ownerId === self.ownerId, Outcome.emit(Happened, { id: loaded.one.id })),
          Outcome.forEach(loaded.notes, (note) =>
            Outcome.send(Note.actions.write, context.newId(), { text: note.text })
          ),
          Outcome.startWorkflow(Run, { key: context.newId(), input: { id: new Date(0).toISOString() } })
        )
    )
  })
})

const registry = Registry.make({ resources: [Note, Wrong, Right], workflows: [Run], events: [Happened] })

const expected: { readonly [action: string]: RegExp } = {
  savesOther: /^touches the Resource Note, which it does not declare$/,
  sends: /^touches the Action Note\.write, which it does not declare$/,
  starts: /^touches the Workflow Run, which it does not declare$/,
  emits: /^touches the DomainEvent Happened, which it does not declare$/,
  clock: /^calls Date\.now\(\)$/,
  date: /^calls new Date\(\)$/,
  chance: /^calls Math\.random\(\)$/,
  imported: /^gives another outcome for the same arguments and context$/,
  remembers: /^gives another outcome/,
  changesGiven: /^changes what it was given/,
  throws: /^throws: no such tag$/,
  undeclared: /^fails with Secret, which it does not declare$/,
  misspelt: /^makes a Wrong with "statuss", which is no field of it$/,
  neverFits: /^never makes a row that its resource allows: count: /,
  wrongOutput: /^was given a value that does not fit its schema/,
  promises: /^was given a value that does not fit its schema/,
  loadThrows: /^throws: /
}

describe("the purity check", () => {
  for (const [action, problem] of Object.entries(expected)) {
    it.effect(`finds an action that ${action}`, () =>
      Effect.gen(function* () {
        const { faults } = yield* PurityCheck.check(registry)
        const found = faults.filter((each) => each.action === `Wrong.${action}`)
        assert.isTrue(
          found.some((fault) => problem.test(fault.problem)),
          JSON.stringify(found)
        )
        for (const { example, mend } of found) {
          assert.isNotEmpty(mend)
          assert.isDefined(example)
        }
      })
    )
  }

  it.effect("finds nothing in what is right, and says what it did not see", () =>
    Effect.gen(function* () {
      const report = yield* PurityCheck.check(registry)
      assert.deepStrictEqual(
        report.faults.filter((each) => !each.action.startsWith("Wrong.")),
        []
      )
      const everything = report.actions.find((each) => each.action === "Right.everything")
      assert.deepStrictEqual(everything?.unseen, [])
      assert.isAbove(everything?.decided ?? 0, 50)
      const bounded = report.actions.find((each) => each.action === "Right.bounded")
      assert.isAbove(bounded?.decided ?? 0, 0)
      const few = yield* PurityCheck.check(registry, { runs: 0 })
      assert.deepStrictEqual(few.actions.find((each) => each.action === "Right.close")?.unseen, [
        "an outcome",
        "fails with Closed"
      ])
    })
  )

  it.effect("draws the same for the same seed and leaves the world as it was", () =>
    Effect.gen(function* () {
      const before = [Date, Math.random, globalThis.fetch, globalThis.setTimeout]
      const properties = Object.getOwnPropertyNames(performance)
      assert.deepStrictEqual(
        (yield* PurityCheck.check(registry, { seed: 7 })).actions.map(({ action, failed }) => [action, failed]),
        (yield* PurityCheck.check(registry, { seed: 7 })).actions.map(({ action, failed }) => [action, failed])
      )
      assert.deepStrictEqual([Date, Math.random, globalThis.fetch, globalThis.setTimeout], before)
      assert.deepStrictEqual(Object.getOwnPropertyNames(performance), properties)
    })
  )

  it.effect("says so where nothing can be drawn", () =>
    Effect.gen(function* () {
      const impossible = Schema.String.check(Schema.makeFilter(() => false))
      const Never = Resource.make("Never", {
        fields: { id: Field.Id },
        actions: (on) => ({ create: on.create({ input: { id: impossible } }) })
      })
      const { faults } = yield* PurityCheck.check(Registry.make({ resources: [Never] }))
      assert.deepStrictEqual(
        faults.map(({ action, problem }) => [action, problem]),
        [["Never.create", "no values can be drawn from its schemas"]]
      )
    })
  )
})

purityProof("the examples", { registry: examples, exhaustive: true })
purityProof("the application of the examples", { registry: application })
purityProof("the domain of the laws", {
  registry: Registry.make({
    ...laws,
    // Two of its actions die on purpose.
    resources: laws.resources.filter(({ name }) => name !== "LawAccount" && name !== "LawCard")
  })
})
