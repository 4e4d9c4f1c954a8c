/** An agent that looks two things up at once and asks a person before it warns others. */
import * as Agent from "@tenon/agents/Agent"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** Where forecasts come from: the host provides it, the agent's type says so. */
export class Forecasts extends Context.Service<
  Forecasts,
  {
    readonly forecast: (place: string) => Effect.Effect<{ readonly summary: string; readonly windKmh: number }>
    readonly alerts: (place: string) => Effect.Effect<ReadonlyArray<string>>
  }
>()("@tenon/examples/Forecasts") {}

/** The same weather every day, for demos and tests. */
export const layerFixed = Layer.succeed(Forecasts, {
  forecast: (place) => Effect.succeed({ summary: `A storm is coming to ${place}.`, windKmh: 110 }),
  alerts: (place) => Effect.succeed([`Storm warning for ${place}`])
})

const Approval = Schema.Struct({ send: Schema.Boolean })

export const weather = Agent.make(
  "weather",
  Effect.fn("weather")(function* (ctx) {
    const { alerts, forecast } = yield* Forecasts
    const last = (yield* ctx.history).findLast(({ content }) => content.type === "text")
    const place = last?.content.type === "text" ? last.content.text : "Vienna"
    const [seen, warnings] = yield* Effect.all(
      [ctx.step("forecast", forecast(place)), ctx.step("alerts", alerts(place))],
      { concurrency: "unbounded" }
    )
    yield* ctx.writeMessage(seen.summary)
    if (warnings.length === 0) return
    const answer = yield* ctx.ask(`Send "${warnings.join(", ")}" to everyone?`, Approval, { expires: "2 hours" })
    yield* ctx.writeMessage(answer.send ? `Sent: ${warnings.join(", ")}` : "Nothing was sent.")
  })
)
