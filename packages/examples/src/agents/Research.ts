/** An agent that has three others look into a question, and answers with what came back in time. */
import * as Agent from "@tenon/agents/Agent"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** Where findings come from. */
export class Library extends Context.Service<Library, { readonly find: (topic: string) => Effect.Effect<string> }>()(
  "@tenon/examples/Library"
) {}

/** Knows something about everything. */
export const layerFixed = Layer.succeed(Library, { find: (topic) => Effect.succeed(`What is known of ${topic}.`) })

/** Looks into one topic. */
export const researcher = Agent.make(
  "researcher",
  { input: Schema.Struct({ topic: Schema.String }), output: Schema.String },
  Effect.fn("researcher")(function* (ctx) {
    const { find } = yield* Library
    return yield* ctx.step(`look up ${ctx.input.topic}`, find(ctx.input.topic))
  })
)

export const topics = ["history", "costs", "risks"]

export const research = Agent.make(
  "research",
  Effect.fn("research")(function* (ctx) {
    const findings = yield* Effect.forEach(
      topics,
      (topic) => Effect.timeoutOption(ctx.child(researcher, { topic }), "1 minute"),
      { concurrency: "unbounded" }
    )
    const found = findings.flatMap((each, index) =>
      Option.match(each, { onNone: () => [], onSome: (text) => [`${topics[index]}: ${text}`] })
    )
    yield* ctx.writeMessage(found.length === 0 ? "Nothing was found in time." : found.join("\n"))
  })
)
