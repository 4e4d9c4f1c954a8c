import * as Call from "@tenon/restate/Call"
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RestateIngress from "@tenon/restate/RestateIngress"
import * as SignedContext from "@tenon/restate/SignedContext"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

it.live("a call that is never answered is given up, and lets go of its connection", () =>
  Effect.gen(function* () {
    let open = 0
    const server = createServer((request) => {
      open++
      request.on("close", () => open--)
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () => Effect.sync(() => void server.close())
    )
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const ingress = yield* RestateIngress.make(url, ContextKeys.random(), "200 millis")
    const call = Call.ofInvocation(
      { resource: "Widget", action: "deactivate", key: "1", input: {}, actor: Testing.actor(), origin: "door" },
      { id: SignedContext.newId(), at: Date.now() }
    )
    const given = { oneWay: false, idempotencyKey: undefined }
    const failures = yield* Effect.forEach([1, 2, 3], () => Effect.flip(ingress.call(call, given)), {
      concurrency: "unbounded"
    })
    assert.deepStrictEqual(
      failures.map(({ _tag }) => _tag),
      ["Unavailable", "Unavailable", "Unavailable"]
    )
    yield* Effect.sleep(50)
    assert.strictEqual(open, 0)
  }).pipe(Effect.scoped)
)
