import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Conversation from "@tenon/agents/Conversation"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import { RunEvents } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import type * as NodeServer from "@tenon/http/NodeServer"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { request } from "node:http"
import { conversation, eventually } from "../support/agentDomain.ts"
import * as EventReader from "../support/EventReader.ts"
import { eventStreams } from "../support/eventStreamSuite.ts"
import { Api, layerOver } from "../support/HttpDomain.ts"
import { registry } from "../support/modelSuite.ts"

eventStreams("in memory", Testing.layer)

const thinker = Agent.make("thinker", () => Effect.asVoid(Conversation.run({ prompt: "think" })))

/** A domain in which a run goes on, and where to watch it. */
const watched = Effect.fnUntraced(function* (server: NodeServer.Options = {}) {
  const workflows = Workflow.layer(Agents.implement(thinker)).pipe(
    Layer.provide(ModelScripted.layer(() => ({ text: ["hm"], hangs: true })))
  )
  const scope = yield* Scope.make()
  const layer = layerOver(Testing.layer(registry, { workflows }), {}, undefined, server)
  const context = yield* Layer.buildWithScope(layer, scope)
  const begun = Effect.gen(function* () {
    const { post, runs } = yield* conversation("thinker")
    yield* post("1")
    const [run] = yield* eventually(runs, (rows) => rows.length > 0)
    const { admin, url } = yield* Api
    const id = run?.id ?? ""
    return { id, path: `${url}/api/v1/agent-runs/${id}/events`, token: admin }
  })
  return { ...(yield* Effect.provideContext(begun, context)), scope, events: Context.get(context, RunEvents) }
})

describe("a caller that does not read what happens", () => {
  it.live(
    "is cut off, and holds no more than what was on its way",
    () =>
      Effect.gen(function* () {
        const { events, id, path, scope, token } = yield* watched({ writeTimeoutMillis: 300 })
        const actor = Testing.actor({ tenantId: "tenant-a" })
        for (let index = 0; index < 40; index++) {
          yield* events.publish(actor, id, { type: "message", data: { text: "x".repeat(1_000_000) } })
          yield* events.settled(actor, id)
        }
        const taken = yield* Effect.promise(
          () =>
            new Promise<number>((resolve, reject) => {
              request(path, { headers: { authorization: `Bearer ${token}` } }, (answer) => {
                let bytes = 0
                setTimeout(() => answer.on("data", (chunk: Buffer) => (bytes += chunk.length)), 1_500)
                answer.on("error", () => resolve(bytes)).on("end", () => resolve(bytes))
              })
                .on("error", reject)
                .end()
            })
        )
        assert.isBelow(taken, 40_000_000)
        yield* Scope.close(scope, Exit.void)
      }),
    60_000
  )
})

describe("a server that closes", () => {
  it.live("ends the answers that would go on for ever", () =>
    Effect.gen(function* () {
      const { path, scope, token } = yield* watched()
      const begun = yield* Deferred.make<void>()
      const enough = (seen: ReadonlyArray<EventReader.Seen>) => {
        if (seen.some(({ event }) => event === "token")) Deferred.doneUnsafe(begun, Exit.void)
        return false
      }
      const reading = EventReader.read(path, { token, enough })
      yield* Deferred.await(begun)
      const before = performance.now()
      yield* Scope.close(scope, Exit.void)
      const { ended, seen } = yield* Effect.promise(() => reading)
      assert.isTrue(ended)
      assert.include(
        seen.map(({ event }) => event),
        "token"
      )
      assert.isBelow(performance.now() - before, 10_000)
    })
  )
})
