/** Messages that a worker refuses though it trusts whoever reaches its queues. */
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import type * as Envelope from "@tenon/routing-slip/Envelope"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Wire from "@tenon/routing-slip/Wire"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { refused } from "../support/Hostile.ts"
import { alpha, beta, deliver, done, newest, registry } from "../support/SignedWorld.ts"

const world = Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)

const begun = Effect.gen(function* () {
  done.length = 0
  yield* RoutingSlip.builder(registry, { correlationId: "slip" }).pipe(
    RoutingSlip.add(alpha, { amount: 1 }),
    RoutingSlip.dispatch
  )
  return yield* Wire.decode(yield* newest("slip"))
})

/** The first message with its first step changed. */
const withStep = ({ headers, payload }: Envelope.Envelope, change: Partial<Envelope.Step>): Envelope.Envelope => {
  const { routing_slip } = headers
  const itinerary = routing_slip.itinerary.map((step) => ({ ...step, ...change }))
  return { payload, headers: { ...headers, routing_slip: { ...routing_slip, itinerary } } }
}

const on = (
  name: string,
  reason: string,
  change: (message: Envelope.Envelope) => Envelope.Envelope,
  queue: string = alpha.queue
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const message = yield* begun
      yield* refused(queue, Wire.encode(change(message)), reason)
      assert.deepStrictEqual(yield* deliver(alpha.queue, Wire.encode(message)), { _tag: "Ack" })
      assert.deepStrictEqual(done, ["alpha 1"])
    }).pipe(Effect.provide(world))
  )

describe("a message that nobody has signed", () => {
  on("is refused in another queue than its step's", "wrong-audience", (message) => message, beta.queue)
  on("is refused with another payload than its step's", "tampered", (message) => ({
    ...message,
    payload: { amount: 2 }
  }))
  on("is refused for an activity that nobody has declared", "unknown-activity", (message) =>
    withStep(message, { activity: "gamma" })
  )
  on(
    "is refused in the queue of another activity",
    "unknown-activity",
    (message) => withStep(message, { queue: beta.queue }),
    beta.queue
  )
  on("is refused at the end of its slip", "malformed", (message) => ({
    ...message,
    payload: null,
    headers: {
      ...message.headers,
      routing_slip: { ...message.headers.routing_slip, itinerary: [], phase: "done", outcome: "completed" }
    }
  }))
  it.effect("is refused where what it carries is encrypted", () =>
    Effect.gen(function* () {
      const message = withStep(yield* begun, { encrypted: true })
      yield* refused(alpha.queue, Wire.encode(message), "undecryptable")
    }).pipe(Effect.provide(world))
  )
  it.effect("is refused where a text in it is not UTF-8, which readers may take for different texts", () =>
    Effect.gen(function* () {
      const { headers, payload } = yield* begun
      const routing_slip = { ...headers.routing_slip, variables: { customer: "#" } }
      const body = Wire.encode({ payload, headers: { ...headers, routing_slip } })
      yield* refused(alpha.queue, body.with(body.lastIndexOf(0x23), 0xff), "malformed")
    }).pipe(Effect.provide(world))
  )
})
