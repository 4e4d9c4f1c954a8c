/** What every layer of `Testing` has in common, whatever it runs on. */
import { type Actor, CurrentActor } from "@tenon/core/Actor"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import type * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Workflow from "@tenon/core/Workflow"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"

/** An actor of a tenant, with all roles unless told otherwise. */
export const actor = (options?: Partial<Actor>): Actor => ({
  id: "tester",
  tenantId: "tenant-a",
  kind: "user",
  roles: ["admin"],
  ...options
})

/** What a test may put in the place of a default. */
export interface Options<R = RunEvents> {
  /** The programs of the registry's workflows. Default: none. */
  readonly workflows?: Layer.Layer<Workflow.Workflows, never, R>
  /** Where denials go. Default: the log in memory, a table in PostgreSQL. */
  readonly audit?: Layer.Layer<AuditLog.AuditLog>
}

/** What a test over servers may say besides. */
export interface ServerOptions {
  /** A PostgreSQL whose superuser this is; it gets a database for the test. Default: an embedded one. */
  readonly server?: Redacted.Redacted | undefined
}

/** Everything between a store and the doors, but for the runtime. */
export const services = <R = RunEvents>(registry: Registry.Registry, options: Options<R>) =>
  Layer.mergeAll(Executor.layer(registry), Repository.layer, options.workflows ?? noWorkflows).pipe(
    Layer.provideMerge(options.audit ?? givenAudit),
    Layer.provideMerge(Layer.succeed(CurrentActor, actor()))
  )

/** The audit log that comes with the store. */
const givenAudit = Layer.effect(AuditLog.AuditLog, Effect.service(AuditLog.AuditLog))

const noWorkflows = Layer.succeed(Workflow.Workflows, new Map<string, Workflow.Implementation>())
