/**
 * How tenants stand. A door asks before it lets a tenant's people in.
 *
 * Implementations: `layerOf` and `MemoryStore`, where none is entered, and `TenantsSql` of `@tenon/sql` (the table
 * `tenon.tenants`). Whoever keeps tenants elsewhere need not enter them: only one that is entered as something else
 * than active is kept out.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { ActionFailure } from "./Failure.ts"

/** A suspended tenant keeps its rows and its people are kept out; an erased one has only its name left. */
export const Status = Schema.Literals(["active", "suspended", "erased"])
export type Status = typeof Status.Type

/** Knows how tenants stand. */
export class Tenants extends Context.Service<
  Tenants,
  {
    /** `undefined` for a tenant that is not entered. */
    readonly status: (tenantId: string) => Effect.Effect<Status | undefined, ActionFailure>
    /**
     * The next tenants after one, in order, of which there is work: a receipt that is still kept, or a run; entered or
     * not. For whoever looks after the work of all of them.
     */
    readonly atWork: (after: string, limit: number) => Effect.Effect<ReadonlyArray<string>, ActionFailure>
  }
>()("@tenon/core/Tenants") {}

/** Tenants in a map, which may change. */
export const layerOf = (statuses: ReadonlyMap<string, Status>): Layer.Layer<Tenants> =>
  Layer.succeed(Tenants, {
    status: (tenantId) => Effect.sync(() => statuses.get(tenantId)),
    atWork: (after, limit) => Effect.sync(() => following([...statuses.keys()], after, limit))
  })

/** So many of these, each once, that come after one in the order of their names. */
export const following = (tenants: Iterable<string>, after: string, limit: number): ReadonlyArray<string> =>
  [...new Set(tenants)]
    .filter((tenant) => tenant > after)
    .toSorted()
    .slice(0, limit)
