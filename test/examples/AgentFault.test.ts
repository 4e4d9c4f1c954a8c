/** A small run of what `npm run fault` does with agents: an application in a process of its own, killed while it asks. */
import * as AgentFault from "@tenon/examples/fault/AgentFault"
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

describe.concurrent("agents whose process is killed while they ask", () => {
  for (const scenario of AgentFault.scenarios.filter(({ name }) => name === "the agents' process is killed"))
    it.live(
      `go on with the answer, and nothing is lost or stuck, on ${scenario.runtime}`,
      () =>
        Effect.gen(function* () {
          const { accepted, ok, problems } = yield* AgentFault.run(scenario, small)
          assert.deepStrictEqual(problems, [])
          assert.isTrue(ok)
          assert.isAbove(accepted, 0)
        }),
      180_000
    )
})
