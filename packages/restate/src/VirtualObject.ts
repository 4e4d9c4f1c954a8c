/**
 * What Restate serves for a resource: a virtual object if it is durable, whose write actions run one at a time per
 * object and whose reads run beside them; else a plain service, to which sends can still go.
 */
import * as restate from "@restatedev/restate-sdk"
import * as Decision from "@tenon/core/Decision"
import type * as Resource from "@tenon/core/Resource"
import * as ActionHandler from "./ActionHandler.ts"
import type { Setting } from "./Handler.ts"
import * as ServiceOptions from "./ServiceOptions.ts"

/** A service that an endpoint can serve. */
export type Definition = restate.EndpointOptions["services"][number]

/** The service of a resource, one handler per action. */
export const make = (setting: Setting, resource: Resource.Any, options: ServiceOptions.ServiceOptions): Definition => {
  const described = {
    name: resource.name,
    ...(resource.description === undefined ? {} : { description: resource.description }),
    options: ServiceOptions.ofActions(options)
  }
  const actions = Object.values(resource.actions)
  return resource.durable
    ? restate.object({
        ...described,
        handlers: Object.fromEntries(
          actions.map((action) => {
            const { exclusive, shared } = restate.handlers.object
            const options = ActionHandler.options(action)
            const handler = ActionHandler.make(setting, action)
            return [action.name, Decision.isRead(action) ? shared(options, handler) : exclusive(options, handler)]
          })
        )
      })
    : restate.service({
        ...described,
        handlers: Object.fromEntries(
          actions.map((action) => [
            action.name,
            restate.handlers.handler(ActionHandler.options(action), ActionHandler.make(setting, action))
          ])
        )
      })
}
