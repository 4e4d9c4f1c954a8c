import * as Logging from "@tenon/cli/Logging"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Tracer from "effect/Tracer"

it.effect("a line of the log is an object that names the span it was written in", () =>
  Effect.gen(function* () {
    const lines: Array<ReturnType<(typeof Logging.structured)["log"]>> = []
    const kept = Logger.layer([Logger.map(Logging.structured, (line) => void lines.push(line))])
    const parent = Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" })
    const write = Effect.logInfo("hello").pipe(Effect.annotateLogs({ tenant: "acme" }))
    yield* Effect.andThen(write, Effect.withParentSpan(write, parent)).pipe(Effect.provide(kept))
    const [outside, inside] = lines
    assert.notProperty(outside, "trace_id")
    assert.deepInclude(inside, {
      level: "INFO",
      message: "hello",
      trace_id: parent.traceId,
      span_id: parent.spanId,
      annotations: { tenant: "acme" }
    })
  })
)
