/** How the parts of a domain are named in Restate: services, handlers, and keys that never mix tenants. */
import type { Delivery } from "@tenon/core/Invocation"
import type { RunKey } from "@tenon/core/RunJournal"

/** What a call is made to. */
export interface Target {
  readonly service: string
  readonly handler: string
  readonly key: string
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

/** An action of an object. */
export const ofAction = (
  tenantId: string,
  action: { readonly resource: string; readonly action: string; readonly key: string }
): Target => ({
  service: action.resource,
  handler: action.action,
  key: keyOf(tenantId, action.key)
})

/** A workflow's run. */
export const ofRun = ({ key, tenantId, workflow }: RunKey): Target => ({
  service: workflow,
  handler: run,
  key: keyOf(tenantId, key)
})

/** Where a delivery goes. */
export const ofDelivery = (tenantId: string, delivery: Delivery): Target => {
  switch (delivery._tag) {
    case "Send":
      return ofAction(tenantId, delivery)
    case "StartWorkflow":
      return { service: delivery.workflow, handler: run, key: keyOf(tenantId, delivery.key) }
    case "Signal":
      return { service: delivery.workflow, handler: delivery.signal, key: keyOf(tenantId, delivery.key) }
  }
}
