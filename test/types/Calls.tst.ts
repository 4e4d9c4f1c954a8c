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
  // @ts-expect-error: `name` is missing
  Tenon.invoke(Box.actions.create),
  // @ts-expect-error: `name` is a string
  Tenon.invoke(Box.actions.create, { name: 1 }),
  // @ts-expect-error: no such field
  Tenon.invoke(Box.actions.create, { name: "x", nam: "x" }),
  // @ts-expect-error: a create has no key
  Tenon.invoke(Box.actions.create, "k", { name: "x" }),
  // @ts-expect-error: the key is missing
  Tenon.invoke(Box.actions.close),
  // @ts-expect-error: the input is missing
  Tenon.invoke(Counter.actions.add, "k"),
  // @ts-expect-error: `by` is a number
  Tenon.invoke(Counter.actions.add, "k", { by: "1" }),
  // @ts-expect-error: no such action
  Tenon.invoke(Box.actions.open, "k")
]

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
