/**
 * The slips of a mesh over HTTP, beside the routes that are derived from resources and under the same credentials,
 * roles and problems: mount them with `HttpApp.layer({ routes, onClosing })`.
 *
 * A slip is no resource: its rows are the workers' ledger, changed by hops alone, so only what `SlipRepository` allows
 * is served. The package of the door does not know slips and theirs does not know the door; they meet here.
 */
import { CurrentActor } from "@tenon/core/Actor"
import { AuditLog } from "@tenon/core/AuditLog"
import type * as Action from "@tenon/core/Action"
import { NotFound } from "@tenon/core/Failure"
import type { Exchange } from "@tenon/http/Exchange"
import * as Reply from "@tenon/http/Reply"
import * as RequestBody from "@tenon/http/RequestBody"
import type { Description, Handler, Route } from "@tenon/http/Routes"
import * as Envelope from "@tenon/routing-slip/Envelope"
import { NotHalted, type RecordedEvent, SkipUnclear } from "@tenon/routing-slip/HopStore"
import { IssuerNeeded, NotReauthorised, NotSuspended } from "@tenon/routing-slip/Reauthorisation"
import { maxLimit, NotCancellable, SlipRepository } from "@tenon/routing-slip/SlipRepository"
import * as SlipView from "@tenon/routing-slip/SlipView"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FreshToken from "./FreshToken.ts"
import { InstantText } from "./InstantText.ts"
import * as QueryText from "./QueryText.ts"
import * as RouteGuard from "./RouteGuard.ts"

const base = "/api/v1/slips"
const tag = "Slip"

const Count = Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: maxLimit }))

/** What a list may be asked for. */
const decodeList = QueryText.decode(
  Schema.Struct({
    status: Schema.optionalKey(SlipView.Status),
    activity: Schema.optionalKey(Envelope.ActivityName),
    since: Schema.optionalKey(InstantText),
    until: Schema.optionalKey(InstantText),
    limit: Schema.optionalKey(Count),
    after: Schema.optionalKey(Schema.String)
  })
)

/** What resuming and skipping may be given. A larger body is refused unread. */
const ResumeInput = Schema.Struct({ token: Schema.optionalKey(FreshToken.Token) })
const SkipInput = Schema.Struct({ step: Schema.optionalKey(Envelope.StepId) })
const maxBytes = 65_536

/** The body, as a schema has it. */
const inputOf = <A>(schema: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (exchange: Exchange) =>
    RequestBody.read(exchange, maxBytes).pipe(
      Effect.flatMap((input) =>
        Effect.mapError(decode(input, { errors: "all", onExcessProperty: "error" }), QueryText.invalid)
      )
    )
}
const resumeInput = inputOf(ResumeInput)
const skipInput = inputOf(SkipInput)

/** A page. */
const Page = Schema.Struct({ items: Schema.Array(SlipView.Summary), next: Schema.NullOr(Schema.String) })

const id = { name: "id", in: "path", required: true, schema: { type: "string", minLength: 1, maxLength: 100 } }
const text = { type: "string" }
const instant = { type: "string", format: "date-time" }
const listParameters = [
  QueryText.parameter("status", "Slips that stand so.", { ...text, enum: SlipView.Status.literals }),
  QueryText.parameter("activity", "Slips whose activity at hand, or whose last one, is this.", text),
  QueryText.parameter("since", "Slips that changed at or after this instant.", instant),
  QueryText.parameter("until", "Slips that changed before this instant.", instant),
  QueryText.parameter("limit", "How many, at most.", { type: "integer", minimum: 1, maximum: maxLimit, default: 50 }),
  QueryText.parameter("after", "`next` of the page before.", text)
]

const millisOf = DateTime.toEpochMillis

/** The correlation id of the path. */
const correlationIdOf = ({ params: [given = ""] }: Exchange): Effect.Effect<string, NotFound> => {
  try {
    return Effect.succeed(decodeURIComponent(given))
  } catch {
    return Effect.fail(new NotFound({ resource: "Slip", key: given.slice(0, 100) }))
  }
}

const utf8 = new TextEncoder()

/** Server-sent events (HTML Standard, 9.2). A line that is only a comment shows proxies that the answer is alive. */
const frameOf = (event: RecordedEvent) =>
  utf8.encode(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
const end = utf8.encode("event: end\ndata: {}\n\n")
const heartbeat = Stream.tick("15 seconds").pipe(Stream.map(() => utf8.encode(":\n\n")))

/** The routes, and what to run once the door closes. */
export const make = Effect.gen(function* () {
  const slips = yield* SlipRepository
  const guard = RouteGuard.guard(yield* AuditLog)
  const closing = yield* Deferred.make<void>()

  const read = (path: string, handle: Handler, description: Omit<Description, "tag">): Route => ({
    method: "GET",
    path: `${base}${path}`,
    errors: path === "" ? [] : [NotFound],
    open: false,
    description: { ...description, tag },
    handle: guard(description.operationId.replace("_", "."), "read", handle)
  })

  const steer = (
    name: "resume" | "skip" | "cancel",
    described: Pick<Description, "summary" | "description" | "body">,
    errors: ReadonlyArray<Action.ErrorClass>,
    act: (correlationId: string, exchange: Exchange) => Effect.Effect<void, unknown, CurrentActor>
  ): Route => ({
    method: "POST",
    path: `${base}/{id}/${name}`,
    errors: [NotFound, ...errors],
    open: false,
    description: {
      operationId: `Slip_${name}`,
      tag,
      ...described,
      parameters: [id],
      success: { status: 204, description: "It is noted; the workers carry it out." }
    },
    handle: guard(`${tag}.${name}`, "action", (exchange) =>
      Effect.gen(function* () {
        yield* QueryText.none(exchange)
        yield* act(yield* correlationIdOf(exchange), exchange)
        return Reply.empty(exchange, 204)
      })
    )
  })

  const resume = Effect.fnUntraced(function* (correlationId: string, exchange: Exchange) {
    const { token } = yield* resumeInput(exchange)
    if (token === undefined) yield* slips.resume(correlationId)
    else yield* slips.reauthorise(correlationId, Redacted.make(token))
  })

  const list: Handler = (exchange) =>
    Effect.gen(function* () {
      const { since, until, ...rest } = yield* decodeList(exchange)
      const page = yield* slips.list({ ...rest, since: since && millisOf(since), until: until && millisOf(until) })
      return Reply.json(exchange, 200, page)
    })

  const show: Handler = (exchange) =>
    Effect.gen(function* () {
      yield* QueryText.none(exchange)
      return Reply.json(exchange, 200, yield* slips.show(yield* correlationIdOf(exchange)))
    })

  const events: Handler = (exchange) =>
    Effect.gen(function* () {
      yield* QueryText.none(exchange)
      const actor = yield* CurrentActor
      const correlationId = yield* correlationIdOf(exchange)
      // A slip that is not there is a problem, not a stream that breaks off.
      yield* slips.show(correlationId)
      const happened = slips
        .watch(correlationId)
        .pipe(Stream.provideService(CurrentActor, actor), Stream.map(frameOf), Stream.concat(Stream.make(end)))
      const body = happened.pipe(
        Stream.merge(heartbeat, { haltStrategy: "left" }),
        Stream.tap(() => exchange.admitted),
        Stream.interruptWhen(Deferred.await(closing))
      )
      return HttpServerResponse.stream(body, {
        contentType: "text/event-stream",
        headers: Reply.headersOf(exchange, { "cache-control": "no-store", "x-accel-buffering": "no" })
      })
    })

  const routes: ReadonlyArray<Route> = [
    read("", list, {
      operationId: "Slip_list",
      summary: "List slips",
      description: "A page of the tenant's slips, the newest first.",
      parameters: listParameters,
      success: { status: 200, description: "A page.", schema: Page }
    }),
    read("/{id}", show, {
      operationId: "Slip_get",
      summary: "Get a slip",
      description: "A slip by its correlation id: its path with times, its faults and compensations.",
      parameters: [id],
      success: { status: 200, description: "The slip.", schema: SlipView.View }
    }),
    read("/{id}/events", events, {
      operationId: "Slip_events",
      summary: "Watch a slip",
      description:
        "What happened and what happens to a slip, as server-sent events until its end, which the event `end` tells. It begins with the first event each time.",
      parameters: [id],
      success: {
        status: 200,
        description: "Events.",
        schema: SlipView.Event,
        contentType: "text/event-stream"
      }
    }),
    steer(
      "resume",
      {
        summary: "Resume a slip",
        description:
          "Has a halted compensation, or a suspended step, tried again as it is; with a fresh token of its user, a suspended step with that.",
        body: { required: false, schema: ResumeInput }
      },
      [NotHalted, NotSuspended, IssuerNeeded, NotReauthorised],
      resume
    ),
    steer(
      "skip",
      {
        summary: "Skip a compensation",
        description:
          "Gives up a halted compensation; the rest is undone. Where several are halted, `step` names the one that is meant.",
        body: { required: false, schema: SkipInput }
      },
      [NotHalted, SkipUnclear],
      (correlationId, exchange) => Effect.flatMap(skipInput(exchange), ({ step }) => slips.skip(correlationId, step))
    ),
    steer(
      "cancel",
      {
        summary: "Cancel a slip",
        description:
          "Has a slip do no further step and turn back. A compensation that is halted still has to be resumed or skipped."
      },
      [NotCancellable],
      slips.cancel
    )
  ]
  return { routes, onClosing: Effect.asVoid(Deferred.succeed(closing, undefined)) }
})
