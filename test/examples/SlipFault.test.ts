/** A small run of what `npm run fault` does with slips: worker processes, and a server of their own that is killed. */
import * as SlipFault from "@tenon/examples/fault/SlipFault"
import * as BrokerServer from "@tenon/testing/BrokerServer"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const small = { slips: 20, steps: 4, activities: 1, replicas: 1, strikes: 1, progress: () => {} }

describe("slips whose broker is killed and started again", () => {
  for (const broker of ["PostgreSQL", "Redis"] as const) {
    it.live.skipIf(broker === "Redis" && !BrokerServer.isHere(broker))(
      `are all done or undone, once each, over ${broker === "Redis" ? "redis-server" : broker}`,
      () =>
        Effect.gen(function* () {
          const { accepted, ok, problems } = yield* SlipFault.run(broker, small)
          assert.deepStrictEqual(problems, [])
          assert.isTrue(ok)
          assert.strictEqual(accepted, small.slips)
        }),
      180_000
    )
  }

  it.effect("are said to be left out where the broker's server is not on the machine", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const progress = (message: string) => void said.push(message)
      const { ok, skipped } = yield* SlipFault.run("RabbitMQ", { ...small, progress }, () => false)
      assert.isTrue(ok)
      assert.strictEqual(skipped, "the program of RabbitMQ's server is not on this machine")
      assert.deepStrictEqual(said, [
        `slips over RabbitMQ, whose server is killed and started again: LEFT OUT, since ${skipped}`
      ])
    })
  )
})
