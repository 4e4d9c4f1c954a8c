/** Points of a hop at which a crash is interesting, for tests that inject one. In production nothing listens. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type HopKey, keyText } from "./HopStore.ts"

/** In their order. `executed`: done and not stored yet. `stored`: stored and not published yet. */
export type Point = "admitted" | "claimed" | "executed" | "stored" | "published" | "dispatched"

/** Called when a hop reaches a point. */
export type Listen = (point: Point, idempotencyKey: string) => Effect.Effect<void>

const nobody: Listen = () => Effect.void

/** Called when a hop reaches a point; a test's listener may crash there. */
export const HopPoint = Context.Reference<Listen>("@tenon/routing-slip/HopPoint", { defaultValue: () => nobody })

/** Says to who listens that a point was reached. */
export const reached = ({ listen }: { readonly listen: Listen }, point: Point, key: HopKey): Effect.Effect<void> =>
  listen === nobody ? Effect.void : listen(point, keyText(key))
