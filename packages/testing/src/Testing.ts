/**
 * Layers and values for testing a domain. `layer`, `layerPostgres` and `layerRestate` have one shape: a test that is
 * written on one runs on the others. Those over servers need real time (`excludeTestServices`).
 */
import type { ActionContext } from "@tenon/core/Action"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Interpreter from "@tenon/core/Interpreter"
import * as MemoryStore from "@tenon/core/MemoryStore"
import { format, NewId, seeded } from "@tenon/core/NewId"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import type * as Registry from "@tenon/core/Registry"
import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import * as DateTime from "effect/DateTime"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { actor, type Options, type ServerOptions, services } from "./TestingServices.ts"

export { eventually } from "./Eventually.ts"
export { actor, type Options, type ServerOptions } from "./TestingServices.ts"

/** The context of an action at a fixed time, whose ids repeat for the same seed. */
export const context = (options?: Partial<ActionContext> & { readonly seed?: number }): ActionContext => {
  const newId = seeded(options?.seed ?? 1)
  const now = options?.now ?? DateTime.makeUnsafe(0)
  const who = options?.actor ?? actor()
  return {
    tenantId: who.tenantId,
    actor: who,
    key: format(0, new Uint8Array(16)),
    now,
    newId: () => newId(DateTime.toEpochMillis(now)),
    ...options
  }
}

/** The whole domain in memory, called by `actor()` unless another is provided. */
export const layer = <R = RunEvents>(registry: Registry.Registry, options: Options<R> = {}) =>
  Layer.mergeAll(Interpreter.layer, OutboxRelay.layer).pipe(
    Layer.provideMerge(RuntimeMemory.layer),
    Layer.provideMerge(services(registry, options)),
    Layer.provideMerge(Layer.mergeAll(MemoryStore.layer(registry), AuditLog.layerLog))
  )

/** The same over a real PostgreSQL, in a database of its own, on which durable actions and workflows run too. */
export const layerPostgres = <R = RunEvents>(registry: Registry.Registry, options: Options<R> & ServerOptions = {}) =>
  Layer.unwrap(Effect.map(overServers, ({ layer }) => layer(registry, options)))

/** The same over a real PostgreSQL and a Restate server of its own: all that production has, but for the door. */
export const layerRestate = <R = RunEvents>(registry: Registry.Registry, options: Options<R> & ServerOptions = {}) =>
  Layer.unwrap(Effect.map(overServers, ({ layerRestate }) => layerRestate(registry, options)))

/** Loaded where it is used, so that tests in memory do not wait for drivers and SDKs. */
const overServers = Effect.promise(() => import("./TestingPostgres.ts"))

/** Ids that repeat, for tests that compare whole rows. */
export const layerSeededIds = (seed = 1) => Layer.succeed(NewId, seeded(seed))
