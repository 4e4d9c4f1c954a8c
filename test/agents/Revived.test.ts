import * as AuditLog from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import { registry } from "../support/agentDomain.ts"

const inMemory = Executor.layer(registry).pipe(Layer.provide([MemoryStore.layer(registry), AuditLog.layerLog]))

const onThread = Effect.fnUntraced(function* (action: string, input: Schema.Json, key = "t") {
  const { execute } = yield* Executor.Executor
  const { deliveries } = yield* execute({
    resource: "Thread",
    action,
    key,
    input,
    actor: Testing.actor(),
    origin: "internal"
  })
  return deliveries
})

it.effect("a run that is revived has all its children revived, however many runs came after them", () =>
  Effect.gen(function* () {
    yield* onThread("create", { title: "talk", agent: "parent" })
    const person = { kind: "HUMAN", name: "Ada" }
    const { execute } = yield* Executor.Executor
    const actor = Testing.actor()
    yield* execute({ resource: "Participant", action: "create", key: "ada", input: person, actor, origin: "internal" })
    const posted = yield* onThread("addMessage", {
      idempotencyKey: "m",
      participantId: "ada",
      content: { type: "text", text: "go" }
    })
    const run = posted.find(({ _tag }) => _tag === "StartWorkflow")?.key ?? ""
    const children = Array.from({ length: 300 }, (_, index) => `${run}/c${index}`)
    for (const childId of children) {
      yield* onThread("startChild", { runId: run, childId, agent: "child" })
    }
    // Those of another run are none of its children.
    yield* onThread("startChild", { runId: children[0] ?? "", childId: "other", agent: "child" })
    const revived = yield* onThread("reviveRun", { runId: run })
    const told = revived.flatMap((each) =>
      each._tag === "Send" && each.action === "reviveRun" ? [(each.input as { readonly runId: string }).runId] : []
    )
    assert.deepStrictEqual(told.toSorted(), children.toSorted())
  }).pipe(Effect.provide(inMemory))
)
