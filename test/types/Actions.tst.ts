/** What an action infers without an annotation, and what it refuses. */
// TypeScript refuses an undeclared failure already; whether Effect's own diagnostic says so too depends on the order in
// which files are checked, and an expected error silences TypeScript only.
// @effect-diagnostics missingEffectError:off
import type * as Action from "@tenon/core/Action"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Resource from "@tenon/core/Resource"
import type * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Box, Closed, Counter, fields, Full } from "./Domain.ts"
import { expectType, type Same } from "./Expect.ts"

interface Row {
  readonly id: string
  readonly name: string
  readonly note?: string
  readonly status: "OPEN" | "CLOSED"
  readonly createdAt: DateTime.Utc
}

interface Draft {
  readonly name: string
  readonly id?: string
  readonly note?: string
  readonly status?: "OPEN" | "CLOSED"
  readonly createdAt?: DateTime.Utc
}

type Plain<T> = { [K in keyof T]: T[K] }

// Rows and drafts are those of Schema.Struct.
expectType<Same<Plain<typeof Box.Row>, Plain<Row>>>(true)
expectType<Same<Plain<typeof Box.Draft>, Plain<Draft>>>(true)
expectType<Same<Plain<typeof Box.Row>, Plain<typeof Box.schema.Type>>>(true)
expectType<Same<Plain<typeof Box.Draft>, Plain<(typeof Box.schema)["~type.make.in"]>>>(true)

// What an action takes, gives and may fail with.
expectType<Same<Action.InputOf<typeof Box.actions.create>, { readonly name: string }>>(true)
expectType<Same<Action.OutputOf<typeof Box.actions.create>, typeof Box.Row>>(true)
expectType<Same<Action.OutputOf<typeof Box.actions.get>, { readonly label: string }>>(true)
expectType<Same<Action.OutputOf<typeof Box.actions.remove>, void>>(true)
expectType<Same<Action.FailureOf<typeof Box.actions.close>, Closed | Full>>(true)
expectType<Same<Action.FailureOf<typeof Box.actions.create>, never>>(true)
expectType<Same<Action.OutputOf<typeof Counter.actions.add>, number>>(true)

// Every resource and action is one of the erased ones.
export const erased: readonly [Resource.Any, Action.Any] = [Box, Box.actions.close]

export const Inferring = Resource.make("Inferring", {
  fields,
  actions: (on) => ({
    close: on.update(
      {
        input: { reason: Schema.String, hard: Schema.optionalKey(Schema.Boolean) },
        load: ({ self, input }) => {
          expectType<Same<Plain<typeof self>, Plain<Row>>>(true)
          expectType<Same<typeof input.reason, string>>(true)
          return {
            one: Load.one(Counter, input.reason),
            optional: Load.optional(Counter, self.id),
            many: Load.many(Box, { status: "OPEN" }),
            count: Load.count(Box, { name: self.name })
          }
        }
      },
      ({ self, input, loaded }, context) => {
        expectType<Same<Plain<typeof self>, Plain<Row>>>(true)
        expectType<Same<Plain<typeof input>, { readonly reason: string; readonly hard?: boolean }>>(true)
        expectType<Same<typeof loaded.one, typeof Counter.Row>>(true)
        expectType<Same<typeof loaded.optional, typeof Counter.Row | undefined>>(true)
        expectType<Same<typeof loaded.many, ReadonlyArray<typeof Box.Row>>>(true)
        expectType<Same<typeof loaded.count, number>>(true)
        expectType<Same<typeof context, Action.ActionContext>>(true)
        return { ...self, status: "CLOSED" }
      }
    ),
    twoWays: on.update({}, ({ self }) => {
      if (self.note === undefined) return self
      return { ...self, note: "again" }
    }),
    // `on.save` names the resource that is being declared.
    copy: on.action({ output: Schema.String }, ({ self }, context) =>
      on.save({ name: self.name, id: context.newId() }).pipe(
        Outcome.map((saved) => {
          expectType<Same<Plain<typeof saved>, Plain<Row>>>(true)
          return saved.id
        })
      )
    ),
    perhaps: on.action({ self: "optional" }, ({ self }) => {
      expectType<Same<typeof self, typeof Box.Row | undefined>>(true)
      return Outcome.nothing
    }),
    remove: on.destroy({ errors: [Full] }, ({ self }) =>
      self.status === "OPEN" ? Result.fail(new Full({ size: 1 })) : undefined
    ),
    fresh: on.create({ input: { name: Schema.NonEmptyString } }, ({ self, input }) => {
      expectType<Same<typeof self, undefined>>(true)
      return { ...input, status: "CLOSED" }
    }),
    boxes: on.stream(
      { output: Schema.String, from: ({ self }) => Load.many(Box, { name: self.name }) },
      ({ self, row }) => {
        expectType<Same<Plain<typeof self>, Plain<Row>>>(true)
        expectType<Same<typeof row, typeof Box.Row>>(true)
        return row.name
      }
    )
  })
})

export const Refusing = Resource.make("Refusing", {
  fields,
  actions: (on) => ({
    // @ts-expect-error: "C" is no status
    wrongValue: on.update({}, ({ self }) => ({ ...self, status: "C" })),
    // @ts-expect-error: the resource has no such field
    wrongField: on.update({}, ({ self }) => ({ ...self, statuss: "OPEN" })),
    wrongFieldOrFailure: on.update({ errors: [Closed] }, ({ self }) =>
      // @ts-expect-error: the resource has no such field, beside a failure
      self.name === "" ? Result.fail(new Closed({ id: self.id })) : { ...self, statuss: "OPEN" }
    ),
    // @ts-expect-error: the resource has no such field, in a draft
    wrongDraft: on.create({ input: { name: Schema.NonEmptyString } }, ({ input }) => ({ ...input, nam: "x" })),
    // @ts-expect-error: the resource has no such field, from the input
    wideInput: on.create({ input: { name: Schema.NonEmptyString, by: Schema.String } }, ({ input }) => input),
    // @ts-expect-error: fields are missing
    partial: on.update({}, ({ self }) => ({ id: self.id })),
    // @ts-expect-error: the body is synchronous
    promise: on.update({}, async ({ self }) => self),
    // @ts-expect-error: Full is not declared
    undeclared: on.update({ errors: [Closed] }, () => Result.fail(new Full({ size: 1 }))),
    // @ts-expect-error: nothing is declared
    undeclaredAtAll: on.read({ output: Schema.Void }, () => Result.fail(new Full({ size: 1 }))),
    wrongOutput: on.read({ output: Schema.Struct({ label: Schema.String }) }, ({ self }) => ({
      // @ts-expect-error: not what `output` says
      label: self.createdAt
    })),
    // @ts-expect-error: not what `output` says, in an outcome
    wrongResult: on.action({ output: Schema.Int }, () => Outcome.succeed("x")),
    // @ts-expect-error: an `action` says what it saves in an outcome
    notAnOutcome: on.action({}, ({ self }) => self),
    // @ts-expect-error: the input leaves `name` out, which has no default
    leavesOut: on.create({ input: { note: Schema.String } }),
    // @ts-expect-error: the input has what the resource has not
    goesBeyond: on.create({ input: { name: Schema.NonEmptyString, by: Schema.String } }),
    wrongLoad: on.read(
      // @ts-expect-error: Counter has no such field
      { output: Schema.Void, load: () => ({ counters: Load.many(Counter, { size: 1 }) }) },
      () => undefined
    ),
    wrongUse: on.read(
      { output: Schema.Int, load: () => ({ counter: Load.optional(Counter, "x") }) },
      // @ts-expect-error: there may be no such row
      ({ loaded }) => loaded.counter.count
    )
  })
})

// Names of fields in options.
const noActions = () => ({})
// @ts-expect-error: the key is no field
Resource.make("Wrong", { fields, key: "ids", actions: noActions })
// @ts-expect-error: the conflict names no field
Resource.make("Wrong", { fields, conflict: { on: ["nam"], do: "nothing" }, actions: noActions })
// @ts-expect-error: the identity names no field
Resource.make("Wrong", { fields, identities: { byName: ["nam"] }, actions: noActions })
// @ts-expect-error: the index names no field
Resource.make("Wrong", { fields, indexes: [["nam"]], actions: noActions })
// @ts-expect-error: the transitions name no field
Resource.make("Wrong", { fields, transitions: { stat: { OPEN: ["CLOSED"] } }, actions: noActions })
// @ts-expect-error: the initial states name no field
Resource.make("Wrong", { fields, initial: { stat: ["OPEN"] }, actions: noActions })
// @ts-expect-error: not an action
Resource.make("Wrong", { fields, actions: () => ({ close: () => 1 }) })
// @ts-expect-error: a default of another type
Schema.Int.pipe(Field.withDefault("one"))

// What a host app adds to a resource that it does not own.
export const Extended = Resource.extend(Box, (on) => ({
  rename: on.update({ input: { name: Schema.NonEmptyString } }, ({ self, input }) => ({ ...self, ...input }))
}))
expectType<Same<keyof typeof Extended.actions, keyof typeof Box.actions | "rename">>(true)
expectType<Same<Action.InputOf<typeof Extended.actions.rename>, { readonly name: string }>>(true)
expectType<Same<Action.FailureOf<typeof Extended.actions.close>, Closed | Full>>(true)
expectType<Same<typeof Extended.Row, typeof Box.Row>>(true)
Resource.extend(Box, (on) => ({
  // @ts-expect-error: the resource has no such field
  rename: on.update({}, ({ self }) => ({ ...self, nam: "x" }))
}))
