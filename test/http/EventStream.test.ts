import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Conversation from "@tenon/agents/Conversation"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { conversation, eventually } from "../support/agentDomain.ts"
import * as EventReader from "../support/EventReader.ts"
import { eventStreams } from "../support/eventStreamSuite.ts"
import { Api, layerOver } from "../support/HttpDomain.ts"
import { registry } from "../support/modelSuite.ts"

eventStreams("in memory", Testing.layer)

const thinker = Agent.make("thinker", () => Effect.asVoid(Conversation.run({ prompt: "think" })))

describe("a server that closes", () => {
  it.live("ends the answers that would go on for ever", () =>
    Effect.gen(function* () {
      const workflows = Workflow.layer(Agents.implement(thinker)).pipe(
        Layer.provide(ModelScripted.layer(() => ({ text: ["hm"], hangs: true })))
      )
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layerOver(Testing.layer(registry, { workflows })), scope)
      const { path, token } = yield* Effect.provideContext(
        Effect.gen(function* () {
          const { post, runs } = yield* conversation("thinker")
          yield* post("1")
          const [run] = yield* eventually(runs, (rows) => rows.length > 0)
          const { admin, url } = yield* Api
          const path = `${url}/api/v1/agent-runs/${run?.id ?? ""}/events`
          return { path, token: admin }
        }),
        context
      )
      const reading = EventReader.read(path, { token })
      yield* Effect.sleep("300 millis")
      const before = performance.now()
      yield* Scope.close(scope, Exit.void)
      const { ended, seen } = yield* Effect.promise(() => reading)
      assert.isTrue(ended)
      assert.include(
        seen.map(({ event }) => event),
        "token"
      )
      assert.isBelow(performance.now() - before, 3_000)
    })
  )
})
