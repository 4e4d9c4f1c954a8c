/**
 * The resources and workflows of an application, collected explicitly. Making a registry checks all of it and reports
 * every mistake at once, each with its place and its mend.
 */
import type * as Action from "./Action.ts"
import type * as DomainEvent from "./DomainEvent.ts"
import * as RegistryCheck from "./RegistryCheck.ts"
import * as Resource from "./Resource.ts"
import type * as Workflow from "./Workflow.ts"

/** A checked collection of resources, workflows and events. */
export interface Registry {
  /** In the order of their dependencies: a resource after those it belongs to. */
  readonly resources: ReadonlyArray<Resource.Any>
  readonly workflows: ReadonlyArray<Workflow.Any>
  readonly events: ReadonlyArray<DomainEvent.Any>
  readonly resource: (name: string) => Resource.Any | undefined
  readonly action: (resource: string, action: string) => Action.Any | undefined
  readonly workflow: (name: string) => Workflow.Any | undefined
  /** Resources whose rows belong to no tenant; worth a look at every start. */
  readonly notTenantScoped: ReadonlyArray<string>
}

/** What a registry is made of. */
export interface Options {
  readonly resources: ReadonlyArray<Resource.Typed>
  readonly workflows?: ReadonlyArray<Workflow.Any>
  readonly events?: ReadonlyArray<DomainEvent.Any>
}

/** Thrown when an application is put together wrongly. `problems` lists every mistake. */
export class RegistryError extends Error {
  override readonly name = "RegistryError"
  readonly problems: ReadonlyArray<RegistryCheck.Problem>
  constructor(problems: ReadonlyArray<RegistryCheck.Problem>) {
    super(
      `The registry has ${problems.length} ${problems.length === 1 ? "problem" : "problems"}:\n` +
        problems.map(({ place, problem, mend }) => `  ${place}: ${problem}. ${mend}.`).join("\n")
    )
    this.problems = problems
  }
}

/** Collects and checks. Throws `RegistryError`, since an application that is put together wrongly must not start. */
export const make = (options: Options): Registry => {
  const { workflows = [], events = [] } = options
  const resources = options.resources.map(Resource.erase)
  const problems = RegistryCheck.check({ resources, workflows, events })
  if (problems.length > 0) throw new RegistryError(problems)
  const resourcesByName = new Map(resources.map((each) => [each.name, each]))
  const workflowsByName = new Map(workflows.map((each) => [each.name, each]))
  return {
    resources: RegistryCheck.inDependencyOrder(resources),
    workflows,
    events,
    resource: (name) => resourcesByName.get(name),
    action: (resource, action) => {
      const actions = resourcesByName.get(resource)?.actions
      return actions !== undefined && Object.hasOwn(actions, action) ? actions[action] : undefined
    },
    workflow: (name) => workflowsByName.get(name),
    notTenantScoped: resources.filter((each) => !each.tenantScoped).map((each) => each.name)
  }
}
