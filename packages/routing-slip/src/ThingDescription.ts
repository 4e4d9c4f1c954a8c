/** Describes a worker as a Thing whose actions are its activities (W3C Web of Things, Thing Description 1.1). */
import * as ActivitySchema from "./ActivitySchema.ts"
import type * as Activity from "./Activity.ts"
import type * as Registry from "./Registry.ts"

/** How the worker is reached. */
export interface Options {
  /** A URI that names it for ever, such as `urn:tenon:worker:payments`. */
  readonly id: string
  readonly title: string
  readonly description?: string
  /**
   * The URI at which a queue takes messages, such as `amqps://broker.example/tenon.charge-card`. Without credentials.
   */
  readonly href: (queue: string) => string
  /** Where a user's token is had from, for activities that act on a user's behalf. */
  readonly tokenEndpoint?: string
  /** Only these activities of the registry. Default: all. */
  readonly only?: ReadonlyArray<string>
}

/** A Thing Description, as JSON. */
export interface Thing extends ActivitySchema.Json {
  readonly "@context": string
  readonly id: string
  readonly title: string
  readonly actions: { readonly [activity: string]: Action }
}

/** What the description says of an activity. */
export interface Action extends ActivitySchema.Json {
  readonly title: string
  readonly input: ActivitySchema.Json
}

const action = (activity: Activity.Any, { href }: Options): Action => ({
  title: activity.name,
  ...(activity.description === undefined ? {} : { description: activity.description }),
  input: ActivitySchema.argumentsOf(activity),
  // A slip's step is done once for its idempotency key, and may be done again under it.
  idempotent: true,
  safe: false,
  synchronous: false,
  ...(activity.audience === undefined ? {} : { security: "user" }),
  forms: [{ op: "invokeaction", href: href(activity.queue), contentType: "application/json" }]
})

/** The description of a worker. What protects the queues is the broker's affair and not told here. */
export const make = (registry: Registry.Any, options: Options): Thing => {
  const activities = registry.activities.filter(({ name }) => options.only?.includes(name) ?? true)
  const user = {
    scheme: "bearer",
    in: "body",
    name: "/headers/security_context/obo_token",
    format: "jwt",
    ...(options.tokenEndpoint === undefined ? {} : { authorization: options.tokenEndpoint })
  }
  return {
    "@context": "https://www.w3.org/2022/wot/td/v1.1",
    "@type": "Thing",
    id: options.id,
    title: options.title,
    ...(options.description === undefined ? {} : { description: options.description }),
    securityDefinitions: {
      broker: { scheme: "nosec" },
      ...(activities.some(({ audience }) => audience !== undefined) ? { user } : {})
    },
    security: "broker",
    actions: Object.fromEntries(activities.map((activity) => [activity.name, action(activity, options)]))
  }
}
