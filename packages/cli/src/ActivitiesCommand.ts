/** `tenon slip activities`: what the workers that run can do. */
import { Directory } from "@tenon/routing-slip/Directory"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as MeshBackend from "./MeshBackend.ts"
import * as Output from "./Output.ts"
import { print } from "./Root.ts"

const JsonSchema = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))

export const activities = Command.make(
  "activities",
  {
    text: Flag.String("text").pipe(
      Flag.withDescription("Only those whose name or description holds this"),
      Flag.optional
    ),
    has: Flag.String("has").pipe(
      Flag.withDescription("Only those that can do with this: a JSON Schema of what is at hand"),
      Flag.withSchema(JsonSchema),
      Flag.optional
    )
  },
  Effect.fn(function* ({ has, text }) {
    const query = {
      ...(Option.isSome(text) ? { text: text.value } : {}),
      ...(Option.isSome(has) ? { has: has.value } : {})
    }
    const items = yield* Effect.flatMap(Directory, (directory) => directory.find(query)).pipe(
      Effect.provide(MeshBackend.directory)
    )
    const rows = items.map(({ action, activity, thing }) => [
      activity,
      thing.title,
      typeof action["description"] === "string" ? action["description"] : ""
    ])
    yield* print({ items }, Output.table(["ACTIVITY", "WORKER", "DESCRIPTION"], rows))
  })
).pipe(Command.withDescription("List what the workers that run can do, each with its Thing Description"))
