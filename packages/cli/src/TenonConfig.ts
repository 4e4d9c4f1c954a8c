/** What an application tells the command line about itself, in `tenon.config.ts`. */
import type * as Registry from "@tenon/core/Registry"
import type { RowStore } from "@tenon/core/RowStore"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import * as Layer from "effect/Layer"

/** A tenant that `tenon dev` makes, with one API key per role. */
export interface DevelopmentTenant {
  readonly id: string
  readonly name: string
}

/** An application. */
export interface TenonConfig {
  /** Shown in the documentation of the API. */
  readonly title: string
  readonly registry: Registry.Registry
  /** The programs of the registry's workflows; they may read rows of the application's store. */
  readonly workflows: Layer.Layer<Workflow.Workflows, never, RunEvents | RowStore>
  /** Whether the tenant's routing slips are served under `/api/v1/slips`. */
  readonly slips: boolean
  /** The folder of the migration files. */
  readonly migrations: string
  /** Tenants for development; never made outside of `tenon dev`. */
  readonly tenants: ReadonlyArray<DevelopmentTenant>
  /** Further things to try, as `tenon dev` shows them: command lines, a line each. */
  readonly tryOut: ReadonlyArray<string>
}

/** What an application has to say; the rest has defaults. */
export interface Options {
  /** `import.meta.dirname` of the configuration file; `migrations` is taken from there. */
  readonly directory: string
  readonly registry: Registry.Registry
  readonly title?: string
  readonly workflows?: Layer.Layer<Workflow.Workflows, never, RunEvents | RowStore>
  /** Whether the tenant's routing slips are served under `/api/v1/slips`. Default false. */
  readonly slips?: boolean
  /** Default `migrations`. */
  readonly migrations?: string
  /** Default: `acme` and `globex`. */
  readonly tenants?: ReadonlyArray<DevelopmentTenant>
  /** Default: none. */
  readonly tryOut?: ReadonlyArray<string>
}

/** Describes an application to the command line. */
export const define = (options: Options): TenonConfig => ({
  title: options.title ?? "Tenon",
  registry: options.registry,
  workflows: options.workflows ?? Layer.succeed(Workflow.Workflows, new Map<string, Workflow.Implementation>()),
  slips: options.slips ?? false,
  migrations: `${options.directory}/${options.migrations ?? "migrations"}`,
  tenants: options.tenants ?? [
    { id: "acme", name: "Acme" },
    { id: "globex", name: "Globex" }
  ],
  tryOut: options.tryOut ?? []
})
