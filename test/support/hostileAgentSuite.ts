/** What agents with bugs, and people in a hurry, must not be able to do: block a thread, or go unseen. */
import * as Agents from "@tenon/agents/Agents"
import { Thread } from "@tenon/agents/Thread"
import * as Repository from "@tenon/core/Repository"
import * as Workflow from "@tenon/core/Workflow"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { conversation, eventually, registry } from "./agentDomain.ts"
import type { Infrastructure } from "./agentSuite.ts"
import { failures } from "./hostileAgents.ts"

const workflows = Workflow.layer(Agents.implement(...failures))

const activeRun = (threadId: string) =>
  Effect.gen(function* () {
    return (yield* (yield* Repository.Repository).get(Thread, threadId)).activeRun
  })

/** Declares the tests for an infrastructure. */
export const hostileAgents = (name: string, infrastructure: Infrastructure) => {
  describe(`agents with bugs ${name}`, () => {
    suite(infrastructure(registry, { workflows }), { timeout: 60_000, excludeTestServices: true })((it) => {
      for (const agent of failures) {
        it.effect(`one that ${agent.name} says so in the thread and frees it`, () =>
          Effect.gen(function* () {
            const { post, runs, said, thread } = yield* conversation(agent.name)
            yield* post("1")
            yield* post("2")
            const rows = yield* eventually(
              runs,
              (rows) => rows.length === 2 && rows.every(({ status }) => status === "FAILED" || status === "DONE")
            ).pipe(
              Effect.timeout("8 seconds"),
              Effect.catchTag("TimeoutError", () =>
                Effect.flatMap(Effect.all([runs, said]), (seen) =>
                  Effect.die(`stuck: ${JSON.stringify(seen).slice(0, 1500)}`)
                )
              )
            )
            assert.deepStrictEqual(
              rows.map(({ status }) => status),
              ["FAILED", "FAILED"]
            )
            const words = (yield* said).filter((each) => each.startsWith("! "))
            assert.strictEqual(words.length, 2)
            for (const each of words) assert.isBelow(each.length, 5_000)
            assert.isUndefined(yield* activeRun(thread.id))
          })
        )
      }
    })
  })
}
