/** What a message costs in a thread whose run is alive. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as Tenon from "@tenon/core/Tenon"
import { Outbox } from "@tenon/core/UnitOfWork"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { conversation, eventually, registry } from "../support/agentDomain.ts"
import { server } from "../support/ScratchDatabase.ts"
import * as Statements from "../support/statements.ts"

const slow = Agent.make("slow", (ctx) => ctx.step("work", Effect.sleep("1 hour")))
const workflows = Workflow.layer(Agents.implement(slow))

const messages = 50

layer(Testing.layerPostgres(registry, { workflows, server }), { timeout: 60_000, excludeTestServices: true })(
  "a thread whose run is alive",
  (it) => {
    it.effect("takes a message with nothing looked up that only a lost run would need", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const carriedOut = eventually(outbox.depth, (depth) => depth === 0)
        const { post, runs } = yield* conversation("slow", "coalesce")
        yield* post("first")
        yield* eventually(runs, ([run]) => run?.status === "RUNNING")
        yield* post("second")
        yield* carriedOut
        const { sent } = yield* Statements.during(
          Effect.forEach(
            Array.from({ length: messages }, (_, index) => `m${index}`),
            (key) => Effect.andThen(post(key), carriedOut)
          )
        )
        const count = (text: RegExp) => sent.filter((sql) => text.test(sql)).length
        assert.strictEqual(count(/^select .*"questions"/s), 0)
        // The active run, and how many wait.
        assert.strictEqual(count(/^select .*"agent_runs"/s), 2 * messages)
        // One transaction posts the message, and the start that changes nothing passes through the outbox; more are
        // looks for work, as time passes. What the planner is told goes with each of these.
        const mine = sent.length - count(/^select count.*from tenon.outbox/s) - count(/'enable_sort'/)
        assert.isBelow(mine / messages, 20, `${mine} statements for ${messages} messages`)
        for (const run of yield* runs) yield* Effect.ignore(Tenon.invoke(AgentRun.actions.cancel, run.id))
      })
    )
  }
)
