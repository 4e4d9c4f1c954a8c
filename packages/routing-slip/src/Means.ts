/** What a hop needs of the world around it, found once for each message. */
import { type Generate, NewId } from "@tenon/core/NewId"
import { Transport } from "@tenon/messaging/Transport"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { HopPoint, type Listen } from "./HopPoint.ts"
import { HopStore } from "./HopStore.ts"
import { Security } from "./Security.ts"

/** What a hop works with. */
export interface Means {
  readonly store: HopStore["Service"]
  readonly security: Security["Service"]
  readonly transport: Transport["Service"]
  readonly newId: Generate
  readonly listen: Listen
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Finds them. */
export const means: Effect.Effect<Means, never, HopStore | Security | Transport> = Effect.contextWith(
  (context: Context.Context<HopStore | Security | Transport>) => {
    const clock = Context.get(context, Clock.Clock)
    return Effect.succeed({
      store: Context.get(context, HopStore),
      security: Context.get(context, Security),
      transport: Context.get(context, Transport),
      newId: Context.get(context, NewId),
      listen: Context.get(context, HopPoint),
      now: () => clock.currentTimeMillisUnsafe()
    })
  }
)
