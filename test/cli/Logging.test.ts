import * as Logging from "@tenon/cli/Logging"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Tracer from "effect/Tracer"

/** What a program logs as lines. */
const linesOf = (program: Effect.Effect<void>) => {
  const lines: Array<string> = []
  const logger = Logger.map(Logging.line, (text) => void lines.push(text))
  return Effect.as(program.pipe(Effect.provide(Logger.layer([logger]))), lines)
}

const request = {
  requestId: "r-1",
  method: "GET",
  route: "/api/v1/widgets/{id}",
  path: "/api/v1/widgets/7",
  status: 200,
  millis: 3.99,
  tenant: "acme",
  actor: "api-key:1"
}

describe("the log of a command", () => {
  it.effect("is one line for a request", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(Effect.annotateLogs(Effect.logInfo("request"), request))
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /^[\d:.]{12} {2}GET {5}\/api\/v1\/widgets\/7 {2}200 {2}4\.0 ms {2}acme {2}r-1$/)
      const traced = yield* linesOf(
        Effect.annotateLogs(Effect.logInfo("request"), { ...request, tenant: undefined, traceId: "abc" })
      )
      assert.match(traced[0] ?? "", / {2}200 {2}4\.0 ms {2}r-1 {2}trace abc$/)
    })
  )

  it.effect("shows the cause of an error", () =>
    Effect.gen(function* () {
      const [line = ""] = yield* linesOf(
        Effect.logError("a request met a bug", Cause.die(new Error("frobnicator"))).pipe(
          Effect.annotateLogs({ requestId: "r 1" })
        )
      )
      const [first, second] = line.split("\n")
      assert.match(first ?? "", /ERROR {3}a request met a bug {2}requestId="r 1"$/)
      assert.match(second ?? "", /^ {4}.*frobnicator/)
    })
  )

  it.effect("lets nothing that was sent move the cursor", () =>
    Effect.gen(function* () {
      const path = "/\u001b[2J\u009b2J\r\nfaked line"
      const [line = ""] = yield* linesOf(Effect.annotateLogs(Effect.logInfo("request"), { ...request, path }))
      // oxlint-disable-next-line no-control-regex
      assert.notMatch(line, /[\u0000-\u001f\u007f-\u009f]/)
    })
  )

  it.effect("is an object for machines, which names the span that it was written in", () =>
    Effect.gen(function* () {
      const events: Array<ReturnType<(typeof Logging.structured)["log"]>> = []
      const kept = Logger.layer([Logger.map(Logging.structured, (event) => void events.push(event))])
      const parent = Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" })
      const write = Effect.logInfo("hello").pipe(Effect.annotateLogs({ tenant: "acme" }))
      yield* Effect.andThen(write, Effect.withParentSpan(write, parent)).pipe(Effect.provide(kept))
      const [outside, inside] = events
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
})
