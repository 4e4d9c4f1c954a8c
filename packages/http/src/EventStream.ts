/**
 * The events of a run as server-sent events (WHATWG HTML, 9.2). An event's id is its number, so a client that comes
 * back with `Last-Event-ID` goes on exactly where it was cut off; one that is told `reset` forgets what it has and
 * begins anew.
 */
import { CurrentActor } from "@tenon/core/Actor"
import type { ActionFailure } from "@tenon/core/Failure"
import { isLast, type Reset, type RunEvent, RunEvents, watch } from "@tenon/core/RunEvents"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Exchange } from "./Exchange.ts"
import * as Reply from "./Reply.ts"

/** What is watched. */
export interface Options {
  readonly run: string
  /** Whether nothing more will happen; fails where the caller may not read this, or no longer. */
  readonly over: Effect.Effect<boolean, ActionFailure, CurrentActor>
  readonly events: RunEvents["Service"]
  readonly draining: () => boolean
}

export const contentType = "text/event-stream"

/** How long a client waits before it comes back, in milliseconds. */
const retryMillis = 1_000

/** How often something is sent though nothing happens, so that nobody in between closes the connection. */
const heartbeat = "15 seconds"

/** How often it is asked whether the caller may still read this and whether the run is over, in milliseconds. */
const askMillis = 2_000

/** After this a client has to come back with a token that still counts. */
const longest = "15 minutes"

const utf8 = new TextEncoder()

/** Answers with the events after the client's last; `204`, which tells it not to come back, where it has them all. */
export const respond = Effect.fnUntraced(function* (exchange: Exchange, options: Options) {
  const { events, over, run } = options
  const actor = yield* CurrentActor
  const isOver = yield* over
  const given = exchange.headers["last-event-id"]
  const cursor = given === undefined ? 0 : /^\d{1,15}$/.test(given) ? Number(given) : Number.MAX_SAFE_INTEGER
  if (isOver && given !== undefined) {
    const { last } = yield* events.read(actor, run, cursor, 1)
    const tail = cursor === last && last > 0 ? yield* events.read(actor, run, last - 1, 1) : undefined
    if (tail?.events.some(isLast) === true) return Reply.empty(exchange, 204)
  }
  if (exchange.method === "HEAD") return Reply.empty(exchange, 200, { "content-type": contentType })
  const idle = idleOf({ ...options, over: Effect.andThen(exchange.admitted, over) }, actor)
  const told = watch(actor, run, cursor, idle).pipe(
    Stream.mapArrayEffect((page) => Effect.as(exchange.admitted, Array.map(page, format))),
    // What fails in the middle has no status any more: the client comes back and is told.
    Stream.catch(() => Stream.empty),
    Stream.provideService(RunEvents, events)
  )
  const beats = Stream.fromSchedule(Schedule.spaced(heartbeat)).pipe(Stream.map(() => ": still here\n\n"))
  const lines = Stream.make(`retry: ${retryMillis}\n\n`).pipe(
    Stream.concat(Stream.merge(told, beats, { haltStrategy: "left" })),
    Stream.map((text) => utf8.encode(text)),
    Stream.interruptWhen(Effect.sleep(longest))
  )
  return HttpServerResponse.stream(lines, {
    contentType,
    headers: Reply.headersOf(exchange, {
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      // One that is kept after the last event would keep a server from closing.
      connection: "close"
    })
  })
})

/** Says that it is over only the second time, since a run's last events come shortly after its row. */
const idleOf = ({ draining, over }: Options, actor: CurrentActor["Service"]) => {
  let askedAt = performance.now()
  let found = 0
  return Effect.suspend(() => {
    if (draining()) return Effect.succeed(true)
    if (performance.now() - askedAt < askMillis) return Effect.succeed(false)
    askedAt = performance.now()
    return Effect.map(Effect.provideService(over, CurrentActor, actor), (isOver) => isOver && ++found > 1)
  })
}

/** JSON holds no line breaks, so each event is one line of data. */
const format = (event: RunEvent | Reset): string =>
  event.type === "reset"
    ? `id: ${event.after}\nevent: reset\ndata: ${JSON.stringify({ after: event.after })}\n\n`
    : `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event.data)}\n\n`
