/**
 * The examples' application with workflows that end at once and sends that are not delayed. The isolation proof
 * compares whole tenants before and after each attempt: what goes on by itself, later, would change one of them in
 * between.
 */
import type * as Action from "@tenon/core/Action"
import * as Registry from "@tenon/core/Registry"
import type * as Resource from "@tenon/core/Resource"
import * as Workflow from "@tenon/core/Workflow"
import * as App from "@tenon/examples/app/App"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

const atOnce = (action: Action.Any): Action.Any => ({
  ...action,
  decide: (args, context) =>
    Result.map(action.decide(args, context), (outcome) =>
      Object.assign(Object.create(Object.getPrototypeOf(outcome)), outcome, {
        directives: outcome.directives.map((each) => ("delay" in each ? { ...each, delay: undefined } : each))
      })
    )
})

const undelayed = (resource: Resource.Any): Resource.Any => ({
  ...resource,
  actions: Object.fromEntries(Object.entries(resource.actions).map(([name, action]) => [name, atOnce(action)]))
})

export const registry = Registry.make({ ...App.registry, resources: App.registry.resources.map(undelayed) })

export const workflows = Workflow.layer(
  ...registry.workflows.map((workflow) => Workflow.implement(workflow, () => Effect.void))
)
