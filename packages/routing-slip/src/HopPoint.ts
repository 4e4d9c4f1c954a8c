/** Points of a hop at which a crash is interesting, for tests that inject one. In production nothing listens. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** In their order. `executed`: done and not stored yet. `stored`: stored and not published yet. */
export type Point = "admitted" | "claimed" | "executed" | "stored" | "published" | "dispatched"

/** Called when a hop reaches a point; a test's listener may crash there. */
export const HopPoint = Context.Reference<(point: Point, idempotencyKey: string) => Effect.Effect<void>>(
  "@tenon/routing-slip/HopPoint",
  { defaultValue: () => () => Effect.void }
)

/** Says that a point was reached. */
export const reached = (point: Point, idempotencyKey: string): Effect.Effect<void> =>
  Effect.flatMap(HopPoint, (listen) => listen(point, idempotencyKey))
