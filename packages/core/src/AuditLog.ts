/**
 * Where denials are recorded. Implementations: `layerLog` (a structured warning), `layerMemory` for tests, and
 * `AuditLogSql` of `@tenon/sql` (a table under row-level security).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Actor } from "./Actor.ts"

/** A denied request. It holds no input, since that may be secret. */
export interface Denial {
  readonly actor: Actor
  /** As in `Widget.deactivate`. */
  readonly action: string
  readonly key: string | undefined
  readonly reason: string
}

/** Records denials. */
export class AuditLog extends Context.Service<AuditLog, { readonly denied: (denial: Denial) => Effect.Effect<void> }>()(
  "@tenon/core/AuditLog"
) {}

/** Writes each denial to the log, as a warning. */
export const layerLog: Layer.Layer<AuditLog> = Layer.succeed(AuditLog, {
  denied: ({ actor, action, key, reason }) =>
    Effect.logWarning("denied").pipe(
      Effect.annotateLogs({ tenant: actor.tenantId, actor: actor.id, action, key: key ?? "", reason })
    )
})

/** Keeps denials in the given array. */
export const layerMemory = (denials: Array<Denial>): Layer.Layer<AuditLog> =>
  Layer.succeed(AuditLog, { denied: (denial) => Effect.sync(() => void denials.push(denial)) })
