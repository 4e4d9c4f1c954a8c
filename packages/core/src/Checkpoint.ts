/**
 * Points at which a crash is interesting, for tests that inject one. In production nothing listens and a point costs a
 * function call.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * `before`: a body is about to begin. `executed`: it is done, or what is no body has come to its end, and not journaled
 * yet. `journaled`: it is, and nothing is delivered, or handed to its program.
 */
export type Point = "before" | "executed" | "journaled" | "delivered"

/** Called when a tenant's invocation or step reaches a point; a test's listener may crash there. */
export const Checkpoint = Context.Reference<(point: Point, what: string, tenantId: string) => Effect.Effect<void>>(
  "@tenon/core/Checkpoint",
  { defaultValue: () => () => Effect.void }
)

/** What an injected crash dies with. A runtime takes it for the end of the handler's process, not for a bug. */
export class Crash extends Error {
  override readonly name = "Crash"
}

/** Whether a defect is an injected crash. */
export const isCrash = (defect: unknown): defect is Crash => defect instanceof Crash
