/**
 * What Restate serves for a resource: a virtual object, whose write actions run one at a time per object and whose
 * reads run beside them. A resource that is not durable has one too, as sends go to it: they are carried out in their
 * order, which a plain service, where a retry may be overtaken, does not promise.
 */
import * as restate from "@restatedev/restate-sdk"
import * as Action from "@tenon/core/Action"
import type * as Resource from "@tenon/core/Resource"
import * as ActionHandler from "./ActionHandler.ts"
import type { Setting } from "./Handler.ts"
import * as ServiceOptions from "./ServiceOptions.ts"

/** A service that an endpoint can serve. */
export type Definition = restate.EndpointOptions["services"][number]

const { exclusive, shared } = restate.handlers.object

/** The object of a resource, one handler per action. */
export const make = (setting: Setting, resource: Resource.Any, options: ServiceOptions.ServiceOptions): Definition =>
  restate.object({
    name: resource.name,
    ...(resource.description === undefined ? {} : { description: resource.description }),
    options: ServiceOptions.ofActions(options),
    handlers: Object.fromEntries(
      Object.values(resource.actions).map((action) => {
        const registered = ActionHandler.options(action)
        const handler = ActionHandler.make(setting, action)
        return [action.name, Action.isRead(action) ? shared(registered, handler) : exclusive(registered, handler)]
      })
    )
  })
