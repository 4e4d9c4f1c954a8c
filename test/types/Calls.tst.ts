/** Calling actions, and reading and saving rows, from code in the same process. */
import type { CurrentActor } from "@tenon/core/Actor"
import type * as Failure from "@tenon/core/Failure"
import type { Interpreter } from "@tenon/core/Interpreter"
import type { Page } from "@tenon/core/Query"
import type { Repository } from "@tenon/core/Repository"
import * as Registry from "@tenon/core/Registry"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Inferring } from "./Actions.tst.ts"
import { Box, type Closed, Counter, type Full, Opened, Run } from "./Domain.ts"
import { expectType, type Same } from "./Expect.ts"

const create = Tenon.invoke(Box.actions.create, { name: "x" })
expectType<Same<typeof create, Effect.Effect<typeof Box.Row, Failure.Failure, Interpreter | CurrentActor>>>(true)
const close = Tenon.invoke(Box.actions.close, "k")
expectType<Same<Effect.Success<typeof close>, typeof Box.Row>>(true)
expectType<Same<Effect.Error<typeof close>, Closed | Full | Failure.Failure>>(true)
expectType<Same<Extract<Effect.Error<typeof close>["_tag"], "Closed" | "NotFound">, "Closed" | "NotFound">>(true)
const get = Tenon.invoke(Box.actions.get, "k", {}, { idempotencyKey: "1" })
expectType<Same<Effect.Success<typeof get>, { readonly label: string }>>(true)
const add = Tenon.invoke(Counter.actions.add, "k", { by: 1 })
expectType<Same<Effect.Success<typeof add>, number>>(true)

export const refused = () => [
  // @ts-expect-error: the input is missing
  Tenon.invoke(Box.actions.create),
  // @ts-expect-error: the key is missing
  Tenon.invoke(Box.actions.close),
  // @ts-expect-error: the input is missing
  Tenon.invoke(Counter.actions.add, "k"),
  // @ts-expect-error: the key, or the input, is missing
  Tenon.invoke(Counter.actions.add, { by: 1 }),
  // @ts-expect-error: a stream is no single answer
  Tenon.invoke(Inferring.actions.boxes, "k"),
  // @ts-expect-error: no such action
  Tenon.invoke(Box.actions.open, "k")
]

// What is wrong is said where it is wrong, and not of the action.
export const refusedInPlace = () => [
  Tenon.invoke(
    Box.actions.create,
    // @ts-expect-error: `name` is missing
    {}
  ),
  Tenon.invoke(Box.actions.create, {
    // @ts-expect-error: `name` is a string
    name: 1
  }),
  Tenon.invoke(Box.actions.create, {
    name: "x",
    // @ts-expect-error: no such field
    nam: "x"
  }),
  Tenon.invoke(
    Box.actions.create,
    // @ts-expect-error: a create has no key
    "k",
    { name: "x" }
  ),
  Tenon.invoke(
    Box.actions.close,
    // @ts-expect-error: the key comes first
    {},
    { idempotencyKey: "1" }
  ),
  Tenon.invoke(
    Counter.actions.add,
    // @ts-expect-error: the key comes first
    { by: 1 },
    { idempotencyKey: "1" }
  ),
  Tenon.invoke(Counter.actions.add, "k", {
    // @ts-expect-error: `by` is a number
    by: "1"
  }),
  Tenon.invoke(
    Counter.actions.add,
    "k",
    // @ts-expect-error: `by` is missing
    {}
  ),
  Tenon.invoke(Counter.actions.add, "k", {
    by: 1,
    // @ts-expect-error: no such field
    bye: 2
  })
]

// One signature, which an editor shows with the names of what it takes.
expectType<
  Same<Tenon.Arguments<typeof Box.actions.create>, [input: { readonly name: string }, options?: Tenon.CallOptions]>
>(true)
expectType<Same<Tenon.Arguments<typeof Box.actions.close>, [key: string, input?: {}, options?: Tenon.CallOptions]>>(
  true
)

export const rows = (repository: Context.Service.Shape<typeof Repository>) => {
  const list = repository.list(Box, { limit: "3" })
  expectType<Same<Effect.Success<typeof list>, Page<typeof Box.Row>>>(true)
  const found = repository.get(Counter, "k")
  expectType<Same<Effect.Success<typeof found>, typeof Counter.Row>>(true)
  const stands = repository.save(Box, { name: "x" })
  expectType<Same<Effect.Success<typeof stands>, typeof Box.Row>>(true)
  return [
    // @ts-expect-error: the resource has no such field
    repository.save(Box, { name: "x", nam: "x" }),
    // @ts-expect-error: `name` is missing
    repository.save(Box, {})
  ]
}

// Whatever its types, a resource, a workflow and an event go into a registry.
export const registry = Registry.make({ resources: [Box, Counter], workflows: [Run], events: [Opened] })

export const programs = [
  Workflow.implement(Run, ({ boxId }) => {
    expectType<Same<typeof boxId, string>>(true)
    return Effect.void
  }),
  // @ts-expect-error: the input has no such field
  Workflow.implement(Run, ({ threadId }) => Effect.log(threadId))
]
