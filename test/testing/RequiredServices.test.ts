/** What `.ci/run` lets a suite skip for. */
import * as FreePort from "@tenon/embedded/FreePort"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer } from "node:net"
import { required, unexcused } from "../support/requiredServices.ts"

const [slips, order, server, idle] = [
  "over PostgreSQL and Redis tenon slip lists",
  "an order over RabbitMQ is paid",
  "slips are done over redis-server",
  "a test that somebody has put off"
] as const
const skipped = [slips, order, server, idle]

describe("the services that a run requires", () => {
  it("each excuse their own suites where they are not there, and no others", () => {
    assert.deepStrictEqual(unexcused(skipped, undefined), [])
    assert.deepStrictEqual(unexcused(skipped, []), [idle])
    assert.deepStrictEqual(unexcused(skipped, ["postgres"]), [idle])
    assert.deepStrictEqual(unexcused(skipped, ["postgres", "redis"]), [slips, idle])
    assert.deepStrictEqual(unexcused(skipped, ["redis", "rabbitmq"]), [order, idle])
    assert.deepStrictEqual(unexcused(skipped, ["postgres", "redis", "rabbitmq", "redis-server"]), skipped)
  })

  it.effect("are those that answer, each by itself", () =>
    Effect.gen(function* () {
      const { closed, open } = yield* FreePort.many("open", "closed")
      const listener = createServer((socket) => socket.end())
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((done) => listener.listen(open, "127.0.0.1", done))),
        () => Effect.sync(() => void listener.close())
      )
      const ask = (postgres: number, redis: number, rabbit: number, more = {}) =>
        Effect.promise(() =>
          required({
            TENON_REQUIRE_SERVICES: "here",
            TENON_TEST_DATABASE_URL: `postgres://127.0.0.1:${postgres}/x`,
            REDIS_URL: `redis://127.0.0.1:${redis}`,
            RABBITMQ_URL: `amqp://127.0.0.1:${rabbit}`,
            ...more
          })
        ).pipe(Effect.map((found) => found?.filter((each) => each !== "redis-server")))
      assert.deepStrictEqual(yield* ask(open, closed, closed), ["postgres"])
      assert.deepStrictEqual(yield* ask(closed, open, open), ["redis", "rabbitmq"])
      assert.deepStrictEqual(yield* ask(closed, closed, closed), [])
      assert.deepStrictEqual(yield* ask(open, closed, closed, { TENON_TEST_NO_MACHINE: "1" }), [])
    })
  )

  it("can be named", async () => {
    assert.isUndefined(await required({}))
    assert.deepStrictEqual(await required({ TENON_REQUIRE_SERVICES: "none" }), [])
    assert.deepStrictEqual(await required({ TENON_REQUIRE_SERVICES: "redis, postgres" }), ["postgres", "redis"])
    await required({ TENON_REQUIRE_SERVICES: "oracle" }).then(
      () => assert.fail("nothing is known of oracle"),
      (error: Error) => assert.include(error.message, "no service oracle")
    )
  })
})
