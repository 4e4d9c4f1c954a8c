/** Calls through Restate's ingress over kept-alive connections, and what may safely be asked again. */
import { Unavailable } from "@tenon/core/Failure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type Dispatcher, Pool } from "undici"
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
   * ingress failed: a call is done once for its signed id, however often it is made. In the end fails with
   * `Unavailable`; so does a call whose answer takes too long, though Restate carries out what it has accepted.
   */
  readonly call: (
    call: Call,
    options: { readonly oneWay: boolean; readonly idempotencyKey: string | undefined }
  ) => Effect.Effect<Answer, Unavailable>
  /** Succeeds where the ingress takes calls; not asked again. */
  readonly health: Effect.Effect<void, Unavailable>
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

/** One request and what comes back. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #settle: (answer: Effect.Effect<Answer, NoAnswer>) => void
  readonly #chunks: Array<Buffer> = []
  #status = 0
  #controller: Dispatcher.DispatchController | undefined
  #isAborted = false

  constructor(settle: (answer: Effect.Effect<Answer, NoAnswer>) => void) {
    this.#settle = settle
  }

  /** Nobody waits for it any more: it is not sent if it was not yet. */
  abort(): void {
    this.#isAborted = true
    this.#controller?.abort(new Error("nobody waits for it"))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isAborted) this.abort()
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    const status = this.#status
    const text = Buffer.concat(this.#chunks).toString()
    // A handler's own 503 is its answer; Restate's own, without metadata, says that it is not ready.
    const outage = status >= 502 && status <= 504 && !text.includes('"metadata"')
    this.#settle(
      outage ? Effect.fail({ _tag: "Trouble", message: `${status} ${text}` }) : Effect.succeed({ status, text })
    )
  }

  onResponseError(_: Dispatcher.DispatchController, { message }: Error): void {
    this.#settle(Effect.fail({ _tag: "Trouble", message }))
  }
}

/** Calls the ingress at an address. Connections are closed with the scope. */
export const make = Effect.fnUntraced(function* (
  ingressUrl: string,
  keys: ContextKeys,
  patience: Duration.Input
): Effect.fn.Return<RestateIngress, never, Scope.Scope> {
  const base = new URL(ingressUrl)
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() => new Pool(base.origin, { connections: 1024, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 })),
    (pool) => Effect.promise(() => pool.destroy())
  )
  const patienceMillis = Math.min(Duration.toMillis(patience), longest)
  const prefix = base.pathname.replace(/\/$/, "")

  const once = (request: Pick<Dispatcher.DispatchOptions, "method" | "path" | "headers" | "body">) =>
    Effect.callback<Answer, NoAnswer>((resume) => {
      const exchange = new Exchange((answer) => {
        clearTimeout(timer)
        resume(answer)
      })
      // A timer of the platform: the client's own do not run while a connection is waited for or made, and a race would
      // cost every call two fibers that live as long as it does.
      const timer = setTimeout(() => {
        resume(Effect.fail({ _tag: "Silent", message: "an invocation gives no answer; is it paused?" }))
        exchange.abort()
      }, patienceMillis)
      pool.dispatch(request, exchange)
      return Effect.sync(() => {
        clearTimeout(timer)
        exchange.abort()
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
    health: once({ method: "GET", path: `${prefix}/restate/health` }).pipe(
      Effect.filterOrFail(({ status }) => status === 200),
      Effect.mapError(() => new Unavailable({ what: "The durable runtime" })),
      Effect.asVoid
    ),
    isRunning: ({ key, service }) => {
      const path = `${prefix}/restate/workflow/${service}/${encodeURIComponent(key)}/output`
      return untilAnswered(once({ method: "GET", path }), { service, key }).pipe(
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
      const headers = {
        "content-type": "application/json",
        [SignedContext.header]: SignedContext.sign(keys, claims, target, body),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey })
      }
      return untilAnswered(once({ method: "POST", path, headers, body }), target)
    }
  }
})
