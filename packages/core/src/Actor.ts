/** Who is asking: a person, a service with an API key, or the system itself, always within one tenant. */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

/** The verified identity behind a request. `roles` are the caller's own; policies read them. */
export const Actor = Schema.Struct({
  id: Schema.String,
  tenantId: Schema.String,
  kind: Schema.Literals(["user", "api-key", "system"]),
  roles: Schema.Array(Schema.String)
}).annotate({ identifier: "Actor" })

export interface Actor extends Schema.Struct.Type<typeof Actor.fields> {}

/** Somebody in a tenant that goes without saying. */
export const Principal = Schema.Struct({ id: Actor.fields.id, kind: Actor.fields.kind, roles: Actor.fields.roles })
export interface Principal extends Schema.Struct.Type<typeof Principal.fields> {}

/** The actor of the request at hand. Doors provide it from a verified token; tests give one. */
export class CurrentActor extends Context.Service<CurrentActor, Actor>()("@tenon/core/CurrentActor") {}

/** An actor of the system itself: relays, schedulers and migrations of data, never a request from outside. */
export const system = (tenantId: string): Actor => ({ id: "system", tenantId, kind: "system", roles: ["system"] })
