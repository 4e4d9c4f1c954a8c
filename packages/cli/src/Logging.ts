/**
 * How the log is written, to stderr: one JSON object per line for machines, `LOG_FORMAT=text` for people, which is the
 * default at a terminal. Lines that belong to a trace name it by the fields that OpenTelemetry gives to logs in other
 * formats than its own, `trace_id` and `span_id`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

/** One line of the log as an object. */
export const structured = Logger.make((options) => {
  const line = Logger.formatStructured.log(options)
  const { span } = options.fiber.cache
  const { annotations, cause, fiberId: _fiber, level, message, spans, timestamp } = line
  return {
    timestamp,
    level,
    message,
    ...(span === undefined ? {} : { trace_id: span.traceId.padStart(32, "0"), span_id: span.spanId }),
    ...(cause === undefined ? {} : { cause }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(Object.keys(spans).length === 0 ? {} : { spans })
  }
})

const json = Logger.layer([Logger.withConsoleError(Logger.map(structured, (line) => JSON.stringify(line)))])

/** The logger that `LOG_FORMAT` names. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const format = yield* Config.Literals(["json", "text"], "LOG_FORMAT").pipe(
      Config.withDefault(process.stderr.isTTY ? ("text" as const) : ("json" as const))
    )
    return format === "json" ? json : Layer.succeed(References.LogToStderr, true)
  })
)
