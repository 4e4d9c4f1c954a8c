/** How the parts of a domain are named in Restate: services, handlers, and keys that never mix tenants. */
import type { Delivery } from "@tenon/core/Invocation"
import type * as Registry from "@tenon/core/Registry"

/** What a call is made to. A plain service has no key. */
export interface Target {
  readonly service: string
  readonly handler: string
  readonly key: string | undefined
}

/** The handler of a workflow that runs its program; the others are its signals. */
export const run = "run"

const escape = (tenantId: string) => tenantId.replace(/[%/]/g, encodeURIComponent)

/**
 * The key in Restate of a tenant's object: both parts, so that two tenants' objects never share a queue or state. The
 * first slash ends the tenant, which has its own slashes escaped, so no two pairs give the same key.
 */
export const keyOf = (tenantId: string, key: string): string => `${escape(tenantId)}/${key}`

/** The object's own key, where the key in Restate is one of this tenant; `undefined` where it is another's. */
export const ownKey = (tenantId: string, key: string): string | undefined => {
  const tenant = `${escape(tenantId)}/`
  return key.startsWith(tenant) ? key.slice(tenant.length) : undefined
}

/** An action of a resource: a handler of a virtual object if the resource is durable, else of a plain service. */
export const ofAction = (
  registry: Registry.Registry,
  tenantId: string,
  action: { readonly resource: string; readonly action: string; readonly key: string }
): Target => ({
  service: action.resource,
  handler: action.action,
  key: registry.resource(action.resource)?.durable === true ? keyOf(tenantId, action.key) : undefined
})

/** Where a delivery goes. */
export const ofDelivery = (registry: Registry.Registry, tenantId: string, delivery: Delivery): Target => {
  switch (delivery._tag) {
    case "Send":
      return ofAction(registry, tenantId, delivery)
    case "StartWorkflow":
      return { service: delivery.workflow, handler: run, key: keyOf(tenantId, delivery.key) }
    case "Signal":
      return { service: delivery.workflow, handler: delivery.signal, key: keyOf(tenantId, delivery.key) }
  }
}
