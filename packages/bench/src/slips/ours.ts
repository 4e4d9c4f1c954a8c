/** Slips as Tenon carries them out, over any transport, store and security. */
import type { Transport } from "@tenon/messaging/Transport"
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import type { HopStore } from "@tenon/routing-slip/HopStore"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import type { Security } from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schema from "effect/Schema"
import { activities, Ends, prefetch, type Side } from "./Side.ts"

/** What a mesh is made of. */
export interface Parts<E> {
  readonly infrastructure: Layer.Layer<Transport | HopStore | Security, E>
  /** Has queues of this run told apart from those of others. */
  readonly queue: (activity: string) => string
  /** Signs and encrypts slips. */
  readonly change?: <Names extends string>(builder: RoutingSlip.Builder<Names>) => RoutingSlip.Builder<Names>
}

/** Starts workers for the three activities in this process. */
export const start = async <E>({ change, infrastructure, queue }: Parts<E>): Promise<Side> => {
  const ends = new Ends()
  const [first, second, third] = activities.map((name) =>
    Activity.make(name, {
      arguments: { amount: Schema.Finite },
      log: { amount: Schema.Finite },
      queue: queue(name),
      execute: ({ amount }) =>
        Effect.gen(function* () {
          const { correlationId, remaining } = yield* ActivityContext
          if (remaining.length === 0) ends.reached(correlationId)
          return { amount }
        }),
      compensate: () => Effect.void
    })
  )
  if (first === undefined || second === undefined || third === undefined) throw new Error("three activities are needed")
  const registry = Registry.make(first, second, third)
  const runtime = ManagedRuntime.make(
    Worker.layer(registry, { prefetch }).pipe(Layer.provideMerge(infrastructure), Layer.provide(Logger.layer([])))
  )
  await runtime.runPromise(Effect.void)
  return {
    carryOut: async (steps) => {
      const { end, id } = ends.begin()
      let builder = RoutingSlip.builder(registry, { correlationId: id, tenantId: "bench" })
      for (let step = 0; step < steps; step++) {
        builder = RoutingSlip.add([first, second, third][step % 3] ?? first, { amount: step })(builder)
      }
      await runtime.runPromise(RoutingSlip.dispatch(change === undefined ? builder : change(builder)))
      await end
    },
    close: () => runtime.dispose()
  }
}
