import * as FreePort from "@tenon/embedded/FreePort"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer } from "node:net"

const listens = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

it.live("free ports have the names that were asked for, differ, and can be listened on", () =>
  Effect.gen(function* () {
    const ports = yield* FreePort.many("one", "two", "three")
    assert.deepStrictEqual(Object.keys(ports), ["one", "two", "three"])
    assert.strictEqual(new Set(Object.values(ports)).size, 3)
    for (const port of [...Object.values(ports), yield* FreePort.one]) assert.isTrue(yield* listens(port), `${port}`)
  })
)
