/**
 * Points at which a crash is interesting, for tests that inject one. In production nothing listens and a point costs a
 * function call.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** `executed`: the action is committed and not journaled yet. `journaled`: it is, and nothing is delivered. */
export type Point = "before" | "executed" | "journaled" | "delivered"

/** Called when an invocation reaches a point; a test's listener may die there. */
export const Checkpoint = Context.Reference<(point: Point, what: string) => Effect.Effect<void>>(
  "@tenon/core/Checkpoint",
  { defaultValue: () => () => Effect.void }
)
