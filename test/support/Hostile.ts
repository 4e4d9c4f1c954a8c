/* oxlint-disable typescript/no-explicit-any -- hostile messages are made by hand, past all types. */
/** Makes hostile messages, and says what must become of them. */
import { type Settlement, Transport } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Jose from "jose"
import { done, registry } from "./SignedWorld.ts"

/** Changes a message by hand, leaving its signatures as they are. */
export const altered = (body: Uint8Array, change: (message: any) => void): Uint8Array => {
  const message = JSON.parse(new TextDecoder().decode(body))
  change(message)
  return new TextEncoder().encode(JSON.stringify(message))
}

/** It must be set aside with its reason, and nothing may be executed. */
export const refusedFor = (settlement: Settlement, reason: string): void => {
  assert.strictEqual(settlement._tag, "DeadLetter", JSON.stringify(settlement))
  if (settlement._tag === "DeadLetter") assert.strictEqual(settlement.reason, reason, settlement.detail)
  assert.deepStrictEqual(done, [], "nothing may be executed")
}

/**
 * The same by way of a worker that is sent the message over a transport of its own: it must be found among the dead
 * letters of its queue, as it came.
 */
export const refused = Effect.fnUntraced(function* (
  queue: string,
  body: Uint8Array,
  reason: string,
  transport: Layer.Layer<Transport, unknown> = Layer.fresh(TransportMemory.layer)
) {
  yield* Effect.gen(function* () {
    const { deadLetters, discard, publish } = yield* Transport
    yield* publish({ queue, id: "evil", body })
    // In real time: a test's clock may stand still meanwhile.
    for (let left = 500; left > 0 && (yield* deadLetters(queue)).length === 0; left--)
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2)))
    const letters = yield* deadLetters(queue)
    assert.deepStrictEqual(
      letters.map((letter) => [letter.id, letter.reason]),
      [["evil", reason]]
    )
    assert.isTrue(letters.every((letter) => Buffer.from(letter.body).equals(body)))
    assert.deepStrictEqual(done, [], "nothing may be executed")
    yield* discard(queue, "all")
  }).pipe(Effect.provide(Worker.layer(registry, { relay: false }).pipe(Layer.provideMerge(transport)), { local: true }))
})

export const lastJws = (message: any): string => message.headers.security_context.jws_signature

/** What an entry signs. */
export const entryOf = (jws: string): any =>
  JSON.parse(new TextDecoder().decode(Jose.base64url.decode(jws.split(".")[1] ?? "")))

export const base64 = (value: object) => Jose.base64url.encode(JSON.stringify(value))
