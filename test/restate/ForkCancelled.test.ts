/** What the journal is told of a run that ends while it reads what it is to begin with. */
import { Unavailable } from "@tenon/core/Failure"
import * as Registry from "@tenon/core/Registry"
import { RunJournal } from "@tenon/core/RunJournal"
import * as RunStoreMemory from "@tenon/core/RunStoreMemory"
import { Runtime } from "@tenon/core/Runtime"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { eventually } from "../support/agentDomain.ts"

const Forked = Workflow.make("Forked", { input: {} })
const program = Workflow.implement(Forked, () => Effect.void)

const { journal } = RunStoreMemory.make(() => Effect.void)
let asked = 0
const down = RunJournal.of({
  ...journal,
  operations: () =>
    Effect.suspend(() => {
      asked++
      return Effect.fail(new Unavailable({ what: "The journal" }))
    })
})

const world = TestingRestate.layer(Registry.make({ resources: [], workflows: [Forked] }), Workflow.layer(program)).pipe(
  Layer.provideMerge(TestingRestate.layerServer()),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provideMerge(Layer.succeed(RunJournal, down))
)

const actor = Testing.actor({ tenantId: "forks" })
const run = { tenantId: actor.tenantId, workflow: Forked.name, key: "fork" }

layer(world, { timeout: 60_000, excludeTestServices: true })("a fork that is cancelled while it reads", (it) => {
  it.effect("is recorded as cancelled", () =>
    Effect.gen(function* () {
      const runtime = yield* Runtime
      const start = { _tag: "StartWorkflow", ...run, input: {}, delayMillis: 0, fork: { key: "source" } } as const
      yield* runtime.deliver(actor, start, "start")
      yield* eventually(
        Effect.sync(() => asked),
        (times) => times > 0
      )
      yield* runtime.cancel(run)
      yield* eventually(journal.standing(run), (standing) => standing?.status === "cancelled")
    })
  )
})
