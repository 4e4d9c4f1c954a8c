/**
 * What the workers of a mesh can do, over HTTP: for planners, which put slips together from activities that are there.
 * Workers are all tenants'; whoever may read may ask, and is not told where they run.
 */
import { AuditLog } from "@tenon/core/AuditLog"
import * as Reply from "@tenon/http/Reply"
import type { Route } from "@tenon/http/Routes"
import { Directory, type Found } from "@tenon/routing-slip/Directory"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as QueryText from "./QueryText.ts"
import * as RouteGuard from "./RouteGuard.ts"

const JsonObject = Schema.Record(Schema.String, Schema.Json)

/** What may be asked. */
const decode = QueryText.decode(
  Schema.Struct({
    text: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
    has: Schema.optionalKey(Schema.fromJsonString(JsonObject))
  })
)

const Item = Schema.Struct({
  activity: Schema.String,
  description: Schema.optionalKey(Schema.Json),
  /** JSON Schema of its arguments. */
  input: JsonObject,
  /** How many say so. */
  workers: Schema.Int
})

/** Each activity once, however many perform it; workers of several releases may say different things of one. */
const itemsOf = (found: ReadonlyArray<Found>): ReadonlyArray<typeof Item.Type> => {
  const items = new Map<string, typeof Item.Type>()
  for (const { action, activity } of found) {
    const { description, input } = action
    const name = JSON.stringify([activity, description, input])
    const workers = (items.get(name)?.workers ?? 0) + 1
    items.set(name, { activity, ...(description === undefined ? {} : { description }), input, workers })
  }
  return [...items.values()]
}
const text = { type: "string" }

/** The route. */
export const make = Effect.gen(function* () {
  const directory = yield* Directory
  const guard = RouteGuard.guard(yield* AuditLog)
  const route: Route = {
    method: "GET",
    path: "/api/v1/slip-activities",
    errors: [],
    open: false,
    description: {
      operationId: "SlipActivity_list",
      tag: "Slip",
      summary: "List activities",
      description: "What the workers that run can do, by activity, each with the JSON Schema of its arguments.",
      parameters: [
        QueryText.parameter("text", "Activities whose name or description holds this, in whatever case.", text),
        QueryText.parameter("has", "Activities that can do with this: a JSON Schema of what is at hand, as JSON.", text)
      ],
      success: {
        status: 200,
        description: "The activities.",
        schema: Schema.Struct({ items: Schema.Array(Item) })
      }
    },
    handle: guard("SlipActivity.list", "read", (exchange) =>
      Effect.gen(function* () {
        const query = yield* decode(exchange)
        return Reply.json(exchange, 200, { items: itemsOf(yield* directory.find(query)) })
      })
    )
  }
  return route
})
