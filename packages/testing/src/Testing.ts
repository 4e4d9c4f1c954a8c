/** Layers and values for testing a domain: everything in memory, or the same over real servers. */
import type { Actor } from "@tenon/core/Actor"
import { CurrentActor } from "@tenon/core/Actor"
import type { ActionContext } from "@tenon/core/Action"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import * as Interpreter from "@tenon/core/Interpreter"
import * as MemoryStore from "@tenon/core/MemoryStore"
import { format, NewId, seeded } from "@tenon/core/NewId"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import type * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import * as Workflow from "@tenon/core/Workflow"
import * as DateTime from "effect/DateTime"
import * as Layer from "effect/Layer"

/** An actor of a tenant, with all roles unless told otherwise. */
export const actor = (options?: Partial<Actor>): Actor => ({
  id: "tester",
  tenantId: "tenant-a",
  kind: "user",
  roles: ["admin"],
  ...options
})

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

/** What a test may put in the place of a default. */
export interface Options<R = never> {
  /** The programs of the registry's workflows. Default: none. */
  readonly workflows?: Layer.Layer<Workflow.Workflows, never, R>
  /** Where denials go. Default: the log. */
  readonly audit?: Layer.Layer<AuditLog.AuditLog>
}

/** The whole domain in memory, called by `actor()` unless another is provided. */
export const layer = <R = never>(registry: Registry.Registry, options: Options<R> = {}) =>
  Layer.mergeAll(Interpreter.layer, OutboxRelay.layer).pipe(
    Layer.provideMerge(RuntimeMemory.layer),
    Layer.provideMerge(Layer.mergeAll(Executor.layer(registry), Repository.layer, options.workflows ?? noWorkflows)),
    Layer.provideMerge(Layer.mergeAll(MemoryStore.layer(registry), options.audit ?? AuditLog.layerLog)),
    Layer.provideMerge(Layer.succeed(CurrentActor, actor()))
  )

const noWorkflows = Layer.succeed(Workflow.Workflows, new Map<string, Workflow.Implementation>())

/** Ids that repeat, for tests that compare whole rows. */
export const layerSeededIds = (seed = 1) => Layer.succeed(NewId, seeded(seed))
