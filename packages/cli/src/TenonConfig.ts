/** What an application tells the command line about itself, in `tenon.config.ts`. */
import type * as Registry from "@tenon/core/Registry"
import type { RowStore } from "@tenon/core/RowStore"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

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
  /** Workflows that have no program here, as another service of the same database or Restate runs them. */
  readonly workflowsElsewhere: ReadonlyArray<string>
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
  /** Names of workflows that another service runs. Every other one of the registry must have its program here. */
  readonly workflowsElsewhere?: ReadonlyArray<string>
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
  workflowsElsewhere: options.workflowsElsewhere ?? [],
  slips: options.slips ?? false,
  migrations: `${options.directory}/${options.migrations ?? "migrations"}`,
  tenants: options.tenants ?? [
    { id: "acme", name: "Acme" },
    { id: "globex", name: "Globex" }
  ],
  tryOut: options.tryOut ?? []
})

/** Nobody would run them, though whoever starts one is told that all is well. */
export class WorkflowWithoutProgram extends Schema.TaggedError<WorkflowWithoutProgram>()("WorkflowWithoutProgram", {
  workflows: Schema.Array(Schema.String)
}) {
  override get message() {
    return (
      `No program is given for ${this.workflows.join(", ")}: runs of these would wait for ever. Put ` +
      "`Workflow.implement` of each into the layer `workflows` of the configuration (`Agents.layer` has those of agents " +
      "and channels), or name it in `workflowsElsewhere` where another service runs it."
    )
  }
}

/** The programs of an application's workflows: of all of them, but for those that it says are run elsewhere. */
export const programs = ({ registry, workflows, workflowsElsewhere }: TenonConfig) =>
  Layer.effect(
    Workflow.Workflows,
    Effect.gen(function* () {
      const given = yield* Workflow.Workflows
      const here = registry.workflows.filter(({ name }) => !workflowsElsewhere.includes(name))
      const missing = Workflow.withoutProgram(here, given)
      return missing.length === 0 ? given : yield* new WorkflowWithoutProgram({ workflows: missing })
    })
  ).pipe(Layer.provide(workflows))
