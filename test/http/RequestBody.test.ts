import type { Exchange } from "@tenon/http/Exchange"
import * as RequestBody from "@tenon/http/RequestBody"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

for (const [way, headers] of [
  ["as it comes", {}],
  ["by the server's reader", { expect: "100-continue" }]
] as const) {
  it.live(`a body in very many parts, read ${way}, keeps none of them`, () =>
    Effect.gen(function* () {
      const source = new Readable({ read: () => undefined })
      const stream = Stream.fromAsyncIterable(source, (cause) => cause)
      const exchange = {
        headers: { "content-type": "application/json", "transfer-encoding": "chunked", ...headers },
        request: { source, stream },
        arriving: false
      } as unknown as Exchange
      const reading = yield* Effect.forkChild(RequestBody.read(exchange, 10_000))
      const text = `{"a":"${"x".repeat(5_000)}"}`
      const parts: Array<WeakRef<Buffer>> = []
      for (const char of text) {
        const part = Buffer.from(char)
        parts.push(new WeakRef(part))
        source.push(part)
        if (parts.length % 100 === 0) yield* Effect.sleep(1)
      }
      yield* Effect.sleep(20)
      collect()
      assert.isBelow(parts.filter((part) => part.deref() !== undefined).length, 100)
      source.push(null)
      assert.deepStrictEqual(yield* Fiber.join(reading), JSON.parse(text))
    })
  )
}
