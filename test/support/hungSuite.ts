/** A server that does not answer any more: whoever is to stop stops all the same, in a time that is known. */
import { ack, Transport, type TransportError } from "@tenon/messaging/Transport"
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as CutProxy from "./CutProxy.ts"

/** The queue that is used. */
export const queue = "tenon.hung"

/** Where a server is, and what uses it through another address. */
interface World {
  readonly url: string
  readonly layerOf: (url: string) => Layer.Layer<Transport, TransportError>
}

/** How long a subscriber takes to stop, in milliseconds, with one message that is done by then, and one that is not. */
const stopping = Effect.fnUntraced(function* ({ layerOf, url }: World) {
  const proxy = yield* CutProxy.make(url)
  const scope = yield* Scope.make()
  const transport = yield* Layer.buildWithScope(Layer.fresh(layerOf(proxy.url)), scope)
  const begun = [yield* Latch.make(), yield* Latch.make()] as const
  const goOn = yield* Latch.make()
  const handler = ({ id }: { readonly id: string }) =>
    id === "done"
      ? Effect.as(Effect.andThen(begun[0].open, goOn.await), ack)
      : Effect.as(Effect.andThen(begun[1].open, Effect.never), ack)
  yield* Effect.gen(function* () {
    const { publish, subscribe } = yield* Transport
    yield* Scope.provide(subscribe(queue, handler, { drain: "1 second", prefetch: 3 }), scope)
    for (const id of ["done", "not done"]) yield* publish({ queue, id, body: new Uint8Array(10) })
    for (const each of begun) yield* each.await
  }).pipe(Effect.provide(transport))
  proxy.hang()
  yield* goOn.open
  const from = yield* Clock.currentTimeMillis
  const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
  yield* Effect.raceFirst(Fiber.join(closing), Effect.sleep("40 seconds"))
  return (yield* Clock.currentTimeMillis) - from
})

/** Declares the test over a server. */
export const suite = (name: string, isHere: boolean, over: Effect.Effect<World, unknown, Scope.Scope>) =>
  it.live.skipIf(!isHere)(
    `${name}: a subscriber stops though the server does not answer, whatever it has in hand`,
    () =>
      Effect.gen(function* () {
        // The drain, and a few seconds for each of the things that it would like to say.
        assert.isBelow(yield* Effect.flatMap(over, stopping), 25_000)
      }).pipe(Effect.scoped),
    60_000
  )
