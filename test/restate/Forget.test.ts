/**
 * Restate keeps the key of a workflow that has ended; of one that was killed it is to be dropped before that goes on.
 */
import { Durable } from "@tenon/core/Durable"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as Registry from "@tenon/core/Registry"
import { Runtime } from "@tenon/core/Runtime"
import * as Workflow from "@tenon/core/Workflow"
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as RuntimeRestate from "@tenon/restate/RuntimeRestate"
import * as Testing from "@tenon/testing/Testing"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { eventually } from "../support/agentDomain.ts"

const Sleeper = Workflow.make("Sleeper", { input: {} })
let begun = 0
const program = Workflow.implement(
  Sleeper,
  Effect.fnUntraced(function* () {
    begun++
    const durable = yield* Durable
    yield* durable.sleep("1 hour")
  })
)

const registry = Registry.make({ resources: [], workflows: [Sleeper] })
const world = TestingRestate.layer(registry, Workflow.layer(program)).pipe(
  Layer.provideMerge(TestingRestate.layerServer()),
  Layer.provideMerge(FetchHttpClient.layer)
)

const actor = Testing.actor({ tenantId: "it's forgotten" })
const run = { tenantId: actor.tenantId, workflow: Sleeper.name, key: "a key/with a 'quote'" }

layer(world, { timeout: 60_000, excludeTestServices: true })("a run that was killed", (it) => {
  it.effect("is started again once it is forgotten; one that goes on is not forgotten", () =>
    Effect.gen(function* () {
      const runtime = yield* Runtime
      const { adminUrl } = yield* TestingRestate.TestRestate
      let starts = 0
      const start = Effect.suspend(() =>
        runtime.deliver(actor, { _tag: "StartWorkflow", ...run, input: {}, delayMillis: 0 }, `start ${++starts}`)
      )
      const began = (times: number) =>
        eventually(
          Effect.sync(() => begun),
          (now) => now === times
        )
      yield* start
      yield* began(1)
      yield* runtime.forget({ ...run, key: "nobody has heard of it" })
      yield* runtime.forget(run)
      assert.isTrue(yield* runtime.isAlive(run))
      const [invocation] = yield* RestateAdmin.query(adminUrl, "select id from sys_invocation")
      yield* RestateAdmin.kill(adminUrl, String(invocation?.["id"]))
      yield* eventually(runtime.isAlive(run), (isAlive) => !isAlive)
      yield* start
      assert.isFalse(yield* runtime.isAlive(run))
      yield* runtime.forget(run)
      yield* start
      yield* began(2)
      // As many processes would that look at once.
      yield* Effect.all([runtime.forget(run), runtime.forget(run), start], { concurrency: "unbounded" })
      assert.isTrue(yield* runtime.isAlive(run))
      assert.strictEqual(begun, 2)
    })
  )
})

it.effect("without the admin API the log says once what is missing", () => {
  const lines: Array<string> = []
  const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
  const runtime = RuntimeRestate.layer({ ingressUrl: "http://127.0.0.1:1", keys: ContextKeys.random() }).pipe(
    Layer.provide([ReadinessChecks.layer, FetchHttpClient.layer, Testing.layer(registry)])
  )
  return Effect.gen(function* () {
    const { forget } = yield* Runtime
    yield* forget(run)
    yield* forget({ ...run, key: "another" })
    assert.deepStrictEqual(
      lines.filter((line) => line.includes("RESTATE_ADMIN_URL")),
      [
        "Runs that Restate has lost are started again, but Restate starts none again that was killed: its key is taken " +
          "until the ended invocation is purged. Set RESTATE_ADMIN_URL (RuntimeRestate's `adminUrl`) to have that done"
      ]
    )
  }).pipe(Effect.provide(Layer.mergeAll(runtime, log)))
})
