/**
 * How a running command logs, always on stderr: a line for each event where a person watches, JSON lines where a
 * machine does. `LOG_FORMAT` (`line` or `json`) decides; without it, `--json` and a stderr that is no terminal mean
 * JSON.
 */
import * as Array from "effect/Array"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Printable from "./Printable.ts"

type Annotations = { readonly [name: string]: unknown }

/** A request as `HttpApp` logs it: when, what was asked, what came of it and how soon, for whom, and its ids. */
const requestLine = ({ method, millis, path, requestId, status, tenant, traceId }: Annotations): string =>
  [
    String(method).padEnd(6),
    String(path),
    String(status),
    `${Number(millis).toFixed(1)} ms`,
    ...(tenant === undefined ? [] : [String(tenant)]),
    String(requestId),
    ...(traceId === undefined ? [] : [`trace ${String(traceId)}`])
  ].join("  ")

const pair = ([name, value]: readonly [string, unknown]): string =>
  `${name}=${typeof value === "string" && !/[\s="]/.test(value) ? value : Formatter.formatJson(value)}`

const eventLine = (level: string, message: unknown, annotations: Annotations): string => {
  const words = Array.ensure(message).map((each) => (typeof each === "string" ? each : Formatter.formatJson(each)))
  return [level.toUpperCase().padEnd(6), ...words, ...Object.entries(annotations).map(pair)].join("  ")
}

/** One line for an event; the cause of an error follows, indented. */
export const line: Logger.Logger<unknown, string> = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const annotations: Annotations = fiber.getRef(References.CurrentLogAnnotations)
  const isRequest = "requestId" in annotations && "status" in annotations
  const text = isRequest ? requestLine(annotations) : eventLine(logLevel, message, annotations)
  const first = `${date.toISOString().slice(11, 23)}  ${Printable.line(text)}`
  if (cause.reasons.length === 0) return first
  const causes = Cause.pretty(cause).split("\n")
  return [first, ...causes.map((each) => `    ${Printable.line(each)}`)].join("\n")
})

/**
 * An event as an object. One that belongs to a trace names it by the fields that OpenTelemetry gives to logs in other
 * formats than its own, `trace_id` and `span_id`.
 */
export const structured = Logger.make((options) => {
  const { fiberId: _, ...event } = Logger.formatStructured.log(options)
  const { span } = options.fiber.cache
  return span === undefined ? event : { ...event, trace_id: span.traceId.padStart(32, "0"), span_id: span.spanId }
})

const Format = Config.option(Config.Literals(["line", "json"], "LOG_FORMAT"))

/** The loggers of a command. */
export const layer = (json: boolean) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const given = Option.getOrUndefined(yield* Format)
      const format = given ?? (json || !process.stderr.isTTY ? "json" : "line")
      const logger = format === "json" ? Logger.map(structured, Formatter.formatJson) : line
      return Logger.layer([Logger.map(logger, (text) => void process.stderr.write(`${text}\n`)), Logger.tracerLogger])
    })
  )
