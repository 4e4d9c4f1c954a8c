/** Calls through Restate's ingress over kept-alive connections, and what may safely be asked again. */
import * as NodeHttp from "node:http"
import * as NodeHttps from "node:https"
import { Unavailable } from "@tenon/core/Failure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Call } from "./Call.ts"
import type { ContextKeys } from "./ContextKeys.ts"
import * as SignedContext from "./SignedContext.ts"

/** What the ingress answered: anything that is neither its own outage nor silence. */
export interface Answer {
  readonly status: number
  readonly text: string
}

/** A way to make calls. */
export interface RestateIngress {
  /**
   * Makes a call and waits for its answer; or, one way, until it is accepted. Asked again where the connection or the
   * ingress failed: a call is done once for its signed id, however often it is made. In the end fails with `Unavailable`;
   * so does a call whose answer takes too long, though Restate carries out what it has accepted.
   */
  readonly call: (
    call: Call,
    options: { readonly oneWay: boolean; readonly idempotencyKey: string | undefined }
  ) => Effect.Effect<Answer, Unavailable>
  /** Whether a workflow's run was accepted and has not ended. */
  readonly isRunning: (run: { readonly service: string; readonly key: string }) => Effect.Effect<boolean, Unavailable>
}

/** A connection that failed or an ingress that is not ready; or no answer for too long. */
interface NoAnswer {
  readonly _tag: "Trouble" | "Silent"
  readonly message: string
}

/** What the ingress answers to a question for the output of a run that has none yet. */
const notReady = 470

/** What a timer of the platform can wait at most, in milliseconds. */
const longest = 2 ** 31 - 1

/** Seven tries within about six seconds: longer than a restart of Restate, shorter than a caller's patience. */
const again = Schedule.upTo(Schedule.exponential("50 millis"), { times: 6 })

/** Calls the ingress at an address. Connections are closed with the scope. */
export const make = Effect.fnUntraced(function* (
  ingressUrl: string,
  keys: ContextKeys,
  patience: Duration.Input
): Effect.fn.Return<RestateIngress, never, Scope.Scope> {
  const base = new URL(ingressUrl)
  const secure = base.protocol === "https:"
  const settings = { keepAlive: true, noDelay: true, maxSockets: 1024, scheduling: "lifo" as const }
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => (secure ? new NodeHttps.Agent(settings) : new NodeHttp.Agent(settings))),
    (agent) => Effect.sync(() => agent.destroy())
  )
  const begin = secure ? NodeHttps.request : NodeHttp.request
  const where = {
    agent,
    hostname: base.hostname.replace(/^\[|\]$/g, ""),
    port: base.port === "" ? (secure ? 443 : 80) : Number(base.port)
  }
  const patienceMillis = Math.min(Duration.toMillis(patience), longest)
  const prefix = base.pathname.replace(/\/$/, "")

  const once = (method: string, path: string, headers: NodeHttp.OutgoingHttpHeaders, body: Uint8Array) =>
    Effect.callback<Answer, NoAnswer>((resume) => {
      const settle = (answer: Effect.Effect<Answer, NoAnswer>) => {
        clearTimeout(timer)
        resume(answer)
      }
      const fail = (error: Error) => settle(Effect.fail({ _tag: "Trouble", message: error.message }))
      const request = begin({ ...where, method, path, headers }, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.once("error", fail)
        response.once("end", () => {
          const status = response.statusCode ?? 0
          const text = Buffer.concat(chunks).toString()
          // A handler's own 503 is its answer; Restate's own, without metadata, says that it is not ready.
          const outage = status >= 502 && status <= 504 && !text.includes('"metadata"')
          settle(
            outage ? Effect.fail({ _tag: "Trouble", message: `${status} ${text}` }) : Effect.succeed({ status, text })
          )
        })
      })
      request.once("error", fail)
      // A timer of the platform: the socket's own does not run while a connection is waited for or made, and a race
      // would cost every call two fibers that live as long as it does.
      const timer = setTimeout(() => {
        settle(Effect.fail({ _tag: "Silent", message: "an invocation gives no answer; is it paused?" }))
        request.destroy()
      }, patienceMillis)
      request.end(body)
      return Effect.sync(() => {
        clearTimeout(timer)
        request.destroy()
      })
    })

  /** A paused invocation answers when an operator resumes it; whoever waits for it must not pile up until then. */
  const untilAnswered = (asked: Effect.Effect<Answer, NoAnswer>, what: unknown) =>
    asked.pipe(
      Effect.retry({ schedule: again, while: ({ _tag }) => _tag === "Trouble" }),
      Effect.tapError(({ message }) => Effect.logWarning("Restate's ingress does not answer", message, what)),
      Effect.mapError(() => new Unavailable({ what: "The durable runtime" }))
    )

  return {
    isRunning: ({ key, service }) => {
      const path = `${prefix}/restate/workflow/${service}/${encodeURIComponent(key)}/output`
      return untilAnswered(once("GET", path, {}, new Uint8Array()), { service, key }).pipe(
        Effect.flatMap(({ status, text }) =>
          status === notReady
            ? Effect.succeed(true)
            : status === 200 || status === 404 || status === 409 || text.includes('"metadata"')
              ? Effect.succeed(false)
              : Effect.fail(new Unavailable({ what: "The durable runtime" }))
        )
      )
    },
    call: ({ body, claims, delayMillis, target }, { idempotencyKey, oneWay }) => {
      const delay = delayMillis === 0 ? "" : `?delay=${delayMillis}ms`
      const path = `${prefix}/${target.service}/${encodeURIComponent(target.key)}/${target.handler}${oneWay ? `/send${delay}` : ""}`
      const headers: NodeHttp.OutgoingHttpHeaders = {
        "content-type": "application/json",
        "content-length": body.length,
        [SignedContext.header]: SignedContext.sign(keys, claims, target, body),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey })
      }
      return untilAnswered(once("POST", path, headers, body), target)
    }
  }
})
