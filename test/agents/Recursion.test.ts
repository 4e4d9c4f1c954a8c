/** An agent that runs itself comes to an end, where its parent and the thread are told. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { conversation, eventually, registry } from "../support/agentDomain.ts"

const endless: Agent.Agent<undefined, void, unknown, never> = Agent.make("endless", (ctx) =>
  Effect.asVoid(ctx.child(endless, undefined))
)

const prudent: Agent.Agent<undefined, void, unknown, never> = Agent.make("prudent", (ctx) =>
  ctx
    .child(prudent, undefined)
    .pipe(
      Effect.catchTag("ChildFailed", ({ agent, problem }) => Effect.asVoid(ctx.writeMessage(`${agent}: ${problem}`)))
    )
)

const tooDeep = (depth: number) => `Agents run one another ${depth - 1} deep at most, and this would be ${depth} deep.`

const workflows = Workflow.layer(Agents.implement(endless))

suite(Testing.layer(registry, { workflows }), { timeout: 60_000, excludeTestServices: true })(
  "an agent that runs itself",
  (it) => {
    it.effect("fails with all of those above it, sixteen down, and the thread says why and goes on", () =>
      Effect.gen(function* () {
        const { post, runs, said } = yield* conversation("endless")
        yield* post("1")
        yield* post("2")
        const rows = yield* eventually(
          runs,
          (rows) => rows.length === 34 && rows.every(({ status }) => status === "FAILED")
        )
        assert.deepStrictEqual(
          rows
            .slice(0, 34)
            .map(({ parent }) => parent?.depth ?? 0)
            .toSorted((a, b) => a - b),
          Array.from({ length: 34 }, (_, index) => Math.floor(index / 2))
        )
        const told = (yield* said).filter((words) => words.startsWith("! "))
        assert.strictEqual(told.length, 34)
        assert.strictEqual(told[0], `! The agent endless did not finish: ${tooDeep(17)}`)
        for (const words of told) assert.isBelow(words.length, 2_100)
      })
    )
  }
)

const careful = Workflow.layer(Agents.implement(prudent))

suite(Testing.layer(registry, { workflows: careful }), { timeout: 60_000, excludeTestServices: true })(
  "an agent that runs itself and minds that it is refused",
  (it) => {
    it.effect("ends well, with all of those above it", () =>
      Effect.gen(function* () {
        const { post, runs, said } = yield* conversation("prudent")
        yield* post("1")
        yield* eventually(runs, (rows) => rows.length === 17 && rows.every(({ status }) => status === "DONE"))
        assert.deepStrictEqual(yield* said, ["1", `prudent: ${tooDeep(17)}`])
      })
    )
  }
)
