/**
 * A small run of what `npm run fault` does with agents: an application in a process of its own, killed in a step, while
 * it asks and while it sleeps.
 */
import * as AgentFault from "@tenon/examples/fault/AgentFault"
import { dwells } from "@tenon/examples/fault/FaultAgents"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const small = {
  command: AgentFault.command,
  strikes: 1,
  threads: 4,
  // What the killed process was in the middle of is nobody's for so long.
  environment: { RUNTIME_LEASE: "4 seconds" },
  progress: () => {}
}

describe.concurrent("agents whose process is killed in a step, while they ask and while they sleep", () => {
  for (const scenario of AgentFault.scenarios.filter(({ name }) => name === "the agents' process is killed"))
    it.live(
      `go on from there, and nothing is lost or stuck, on ${scenario.runtime}`,
      () =>
        Effect.gen(function* () {
          const { accepted, ok, problems, struck } = yield* AgentFault.run(scenario, small)
          assert.deepStrictEqual(problems, [])
          assert.deepStrictEqual(struck, dwells)
          assert.isTrue(ok)
          assert.isAbove(accepted, 0)
        }),
      180_000
    )
})
