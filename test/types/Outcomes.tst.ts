/** Directives take what they address; results flow through; loads give rows. */
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Field from "@tenon/core/Field"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"
import { Box, Counter, Opened, Run } from "./Domain.ts"
import { expectType, type Same } from "./Expect.ts"

const saved = Outcome.save(Box, { name: "x" })
expectType<Same<typeof saved, Outcome.Outcome<typeof Box.Row>>>(true)
declare const row: typeof Box.Row
Outcome.save(Box, { ...row, status: "CLOSED" })
// @ts-expect-error: "C" is no status
Outcome.save(Box, { ...row, status: "C" })
// @ts-expect-error: the resource has no such field
Outcome.save(Box, { ...row, statuss: "OPEN" })
// @ts-expect-error: `name` is missing
Outcome.save(Box, { id: "x" })
// An erased resource takes any draft.
declare const erased: Resource.Any
Outcome.save(erased, { anything: 1 })

const mapped = saved.pipe(Outcome.map(({ createdAt, ...rest }) => rest.name.length))
expectType<Same<typeof mapped, Outcome.Outcome<number>>>(true)
expectType<Same<ReturnType<typeof sent>, Outcome.Outcome<typeof Box.Row>>>(true)
function sent() {
  return saved.pipe(
    Outcome.send(Counter.actions.add, "k", { by: 1 }, { delay: "1 minute" }),
    Outcome.when(true, Outcome.startWorkflow(Run, { key: "k", input: { boxId: "x" } })),
    Outcome.when(true, Outcome.signal(Run, { key: "k", signal: "paid", payload: { amount: 1 } })),
    Outcome.when(true, Outcome.emit(Opened, { boxId: "x" })),
    Outcome.forEach(["a", "b"], (key) =>
      Outcome.sendAfter(Counter.actions.add, key, (result) => {
        expectType<Same<typeof result, typeof Box.Row>>(true)
        return { by: result.name.length }
      })
    )
  )
}

// @ts-expect-error: `by` is a number
Outcome.send(Counter.actions.add, "k", { by: "1" })
// @ts-expect-error: `by` is missing
Outcome.send(Counter.actions.add, "k", {})
// @ts-expect-error: `by` is a number
saved.pipe(Outcome.sendAfter(Counter.actions.add, "k", (result) => ({ by: result.name })))
// @ts-expect-error: rows have no such field
saved.pipe(Outcome.sendAfter(Counter.actions.add, "k", (result) => ({ by: result.size })))
// @ts-expect-error: `boxId` is a string
Outcome.startWorkflow(Run, { key: "k", input: { boxId: 1 } })
// @ts-expect-error: `key` is missing
Outcome.startWorkflow(Run, { input: { boxId: "x" } })
// @ts-expect-error: a resource is no workflow
Outcome.startWorkflow(Box, { key: "k", input: { boxId: "x" } })
// @ts-expect-error: the key and the input go together
Outcome.startWorkflow(Run, "k", { boxId: "x" })
// @ts-expect-error: no such signal
Outcome.signal(Run, { key: "k", signal: "payed", payload: { amount: 1 } })
// @ts-expect-error: `amount` is a number
Outcome.signal(Run, { key: "k", signal: "paid", payload: { amount: "1" } })
// @ts-expect-error: `boxId` is a string
Outcome.emit(Opened, { boxId: 1 })

// What is only added to an outcome has a name that says so wherever an outcome is expected.
const started = Outcome.startWorkflow(Run, { key: "k", input: { boxId: "x" } })
expectType<Same<typeof started, Outcome.AdditionToAnOutcome>>(true)
expectType<Same<ReturnType<typeof Outcome.send>, Outcome.AdditionToAnOutcome>>(true)
expectType<Same<ReturnType<typeof Outcome.signal>, Outcome.AdditionToAnOutcome>>(true)
expectType<Same<ReturnType<typeof Outcome.emit>, Outcome.AdditionToAnOutcome>>(true)
// @ts-expect-error: it has no pipe
started.pipe(Outcome.as(undefined))
Resource.make("Bare", {
  // A function has a name too, so only the check of what a body returns keeps it from passing for a row.
  fields: { id: Field.Id, name: Schema.String },
  actions: (on) => ({
    // @ts-expect-error: it is no outcome
    act: on.action({}, () => started),
    // @ts-expect-error: it is no outcome
    answer: on.action({ output: Schema.String }, () => started),
    // @ts-expect-error: it is no row
    create: on.create({}, () => started),
    // @ts-expect-error: it is no row
    update: on.update({}, () => started),
    // @ts-expect-error: it is no outcome
    destroy: on.destroy({}, () => started),
    // @ts-expect-error: it is no row
    save: on.action({}, () => on.save(started).pipe(Outcome.as(undefined))),
    well: on.action({}, ({ self }) => on.save(self).pipe(started, Outcome.as(undefined)))
  })
})

const one = Load.one(Box, "k")
expectType<Same<typeof one, Load.Load<typeof Box.Row>>>(true)
const many = Load.many(Box, { status: "OPEN" }, { limit: 3 })
expectType<Same<typeof many, Load.Load<ReadonlyArray<typeof Box.Row>>>>(true)
const count = Load.count(Box, {})
expectType<Same<typeof count, Load.Load<number>>>(true)
// @ts-expect-error: "C" is no status
Load.many(Box, { status: "C" })
// @ts-expect-error: no such field
Load.count(Box, { statuss: "OPEN" })
