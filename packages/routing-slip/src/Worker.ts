/** Performs activities: listens to their queues, and looks after what waits in the store and what is over for long. */
import type { SubscribeOptions, Transport, TransportError } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Hop from "./Hop.ts"
import type { HopStore } from "./HopStore.ts"
import * as Listening from "./Listening.ts"
import type * as Registry from "./Registry.ts"
import * as Relay from "./Relay.ts"
import * as Retention from "./Retention.ts"
import type { Security } from "./Security.ts"

/** How a worker works. */
export interface Options extends Hop.Options, SubscribeOptions {
  /**
   * How it looks after what waits and, as `Retention` says, what is over for long; false where another process does.
   */
  readonly relay?: Relay.Options | false
  /** Only these activities of the registry. Default: all. */
  readonly only?: ReadonlyArray<string>
}

/** Performs the activities of a registry until the scope closes; then it drains. */
export const layer = <R>(
  registry: Registry.Of<R>,
  options: Options = {}
): Layer.Layer<never, TransportError, R | Transport | HopStore | Security> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const handle = Hop.handler(registry, options)
      const wanted = registry.activities.filter(({ name }) => options.only?.includes(name) ?? true)
      for (const [queue, activities] of Map.groupBy(wanted, (activity) => activity.queue)) {
        yield* Listening.to({ queue, activities: activities.map(({ name }) => name) }, handle, options)
      }
      if (options.relay === false) return
      yield* Effect.forkScoped(Relay.run(options.relay))
      yield* Effect.forkScoped(Retention.run)
    })
  )
