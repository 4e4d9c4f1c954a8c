/** Describes the queues of a registry and what may be sent to them (AsyncAPI 3.0), for workers in other languages. */
import * as ActivitySchema from "./ActivitySchema.ts"
import type * as Activity from "./Activity.ts"
import type * as Registry from "./Registry.ts"

/** What the document says of itself. */
export interface Options {
  readonly title: string
  readonly version: string
  readonly description?: string
  /** Brokers by name; no credentials. */
  readonly servers?: {
    readonly [name: string]: { readonly host: string; readonly protocol: string; readonly pathname?: string }
  }
  /** What a queue is called at the broker. Default: as in the registry. */
  readonly address?: (queue: string) => string
}

const schemaFormat = "application/schema+json;version=draft-2020-12"

const placeOf = (name: string) => `#/components/schemas/${name}/schema`

/** The envelope whose payload is what the activity takes, or a JWE of it. */
const payload = ({ name }: Activity.Any): ActivitySchema.Json => ({
  allOf: [{ $ref: placeOf(ActivitySchema.envelopeName) }],
  properties: {
    payload: { anyOf: [{ $ref: placeOf(name) }, { type: "string", description: "A compact JWE of it." }] }
  }
})

const byQueue = (activities: ReadonlyArray<Activity.Any>) =>
  Map.groupBy(activities, ({ queue }) => queue)
    .entries()
    .map(([queue, own]) => [queue, own.map(({ name }) => name)] as const)

/** The document: a channel per queue, a message and an operation per activity. */
export const make = (registry: Registry.Any, { address, servers, ...info }: Options): ActivitySchema.Json => {
  const schemas = Object.entries(ActivitySchema.schemasOf(registry, placeOf))
  return {
    asyncapi: "3.0.0",
    info: { ...info },
    defaultContentType: "application/json",
    ...(servers === undefined ? {} : { servers }),
    channels: Object.fromEntries(
      byQueue(registry.activities).map(([queue, names]) => [
        queue,
        {
          address: address?.(queue) ?? queue,
          messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }]))
        }
      ])
    ),
    operations: Object.fromEntries(
      registry.activities.map(({ description, name, queue }) => [
        `perform-${name}`,
        {
          action: "receive",
          ...(description === undefined ? {} : { summary: description }),
          channel: { $ref: `#/channels/${queue}` },
          messages: [{ $ref: `#/channels/${queue}/messages/${name}` }]
        }
      ])
    ),
    components: {
      schemas: Object.fromEntries(schemas.map(([name, schema]) => [name, { schemaFormat, schema }])),
      messages: Object.fromEntries(
        registry.activities.map((activity) => [
          activity.name,
          {
            name: activity.name,
            contentType: "application/json",
            correlationId: { location: "$message.payload#/headers/correlation_id" },
            payload: { schemaFormat, schema: payload(activity) }
          }
        ])
      )
    }
  }
}
