/** Nothing that an application writes down besides its rows holds a channel's secret. */
import { Channel } from "@tenon/agents/Channel"
import * as Tenon from "@tenon/core/Tenon"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { conversation, type Infrastructure, registry, secret, workflows } from "./channelSuite.ts"
import * as WebhookReceiver from "./WebhookReceiver.ts"

/** Declares the test for logs at their most talkative, and for spans with all that they bear. */
export const logsAndTraces = (name: string, infrastructure: Infrastructure) => {
  const lines: Array<unknown> = []
  const spans: Array<Tracer.Span> = []
  const watched = Layer.mergeAll(
    Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))]),
    Layer.succeed(References.MinimumLogLevel, "All"),
    Layer.succeed(
      Tracer.Tracer,
      Tracer.make({
        span(options) {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
    )
  )
  it.live(`logs and traces hold no secret ${name}`, () =>
    Effect.gen(function* () {
      const receiver = yield* WebhookReceiver.start((attempt) => (attempt < 3 ? 500 : 200))
      const { all, channel, post } = yield* conversation(`${receiver.url}/token-in-path`)
      const rotated = yield* Tenon.invoke(Channel.actions.rotateSecret, channel.id, {})
      yield* post("1")
      yield* all("DELIVERED", 1)
      yield* Effect.logInfo("the log is heard")
      const told = JSON.stringify([
        lines,
        spans.map(({ attributes, name, status }) => [
          name,
          [...attributes].map(String),
          // What an exporter tells of an end: nothing of a success, and of a failure its messages.
          status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
        ])
      ])
      assert.include(told, "the log is heard")
      assert.isAbove(spans.length, 5)
      for (const hidden of [secret, rotated.secret, "token-in-path", "holds-a-hint"]) assert.notInclude(told, hidden)
    }).pipe(Effect.scoped, Effect.provide(infrastructure(registry, { workflows }).pipe(Layer.provideMerge(watched))))
  )
}
