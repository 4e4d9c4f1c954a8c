/** The runtime over Restate: actions and deliveries become calls of handlers, which `RestateEndpoint` serves. */
import type * as Action from "@tenon/core/Action"
import { Executor } from "@tenon/core/Executor"
import { type ActionFailure, Unavailable } from "@tenon/core/Failure"
import type { Delivery, Executed, Invocation } from "@tenon/core/Invocation"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import type { RunKey } from "@tenon/core/RunJournal"
import { Runtime } from "@tenon/core/Runtime"
import * as Span from "@tenon/core/Span"
import * as Setting from "@tenon/core/Setting"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as HttpClient from "effect/http/HttpClient"
import type * as ActionHandler from "./ActionHandler.ts"
import * as Call from "./Call.ts"
import * as ContextKeys from "./ContextKeys.ts"
import * as RestateAdmin from "./RestateAdmin.ts"
import * as RestateIngress from "./RestateIngress.ts"
import * as SignedContext from "./SignedContext.ts"
import * as Target from "./Target.ts"
import * as WireError from "./WireError.ts"

/** Where Restate is, and how to sign calls. */
export interface Options {
  readonly ingressUrl: string
  /**
   * The admin API, through which runs are cancelled and resumed, and those forgotten that were killed; without it, none
   * of that is possible from here.
   */
  readonly adminUrl?: string | undefined
  readonly keys: ContextKeys.ContextKeys
  /** How long after a door's call its handler may begin. Default: an hour. */
  readonly lifetime?: Duration.Input | undefined
  /**
   * How long to wait for an answer: what was accepted is carried out without anyone waiting, too. Default: a minute.
   */
  readonly patience?: Duration.Input | undefined
}

const nothing: ReadonlyArray<Action.ErrorClass> = []

const nameOf = (delivery: Delivery): string =>
  delivery._tag === "Send" ? `${delivery.resource}.${delivery.action}` : delivery.workflow

const traced = Effect.map(Span.current, (trace) => (trace === undefined ? {} : { trace }))

/** A call's own span, from the door's side: the time in Restate's queue is a part of it. */
const spanOf = (kind: "client" | "producer", what: string) => (): Span.Options => ({
  name: kind === "client" ? `call ${what}` : `send ${what}`,
  kind,
  attributes: { "rpc.system.name": "restate", "rpc.method": what },
  isAnswer: (failure) => !(failure instanceof Unavailable)
})

/** An answer that no handler gave, such as that of a service which nobody has registered. */
const unexpected = (what: string, status: number, message: string): Effect.Effect<never, ActionFailure> =>
  status === 404
    ? Effect.andThen(
        Effect.logError(`Restate does not know ${what}; is an endpoint registered?`, message),
        Effect.fail(new Unavailable({ what }))
      )
    : Effect.die(new Error(`Restate answered ${status} to ${what}: ${message}`))

/** Purges an invocation. One that is gone, or is there anew and goes on, is no longer what it was looked up as. */
const purge: typeof RestateAdmin.purge = (adminUrl, id) =>
  Effect.catch(RestateAdmin.purge(adminUrl, id), (error) =>
    error.status === 404 || error.status === 409 ? Effect.void : Effect.fail(error)
  )

const unforgettable =
  "Runs that Restate has lost are started again, but Restate starts none again that was killed: its key is taken until " +
  "the ended invocation is purged. Set RESTATE_ADMIN_URL (RuntimeRestate's `adminUrl`) to have that done"

/** A handler's bug, which its own log tells of. */
const buggy = (what: string): Effect.Effect<never> =>
  Effect.die(new Error(`${what} has a bug; the log of the process that serves it says which`))

/** Runs durable actions and workflows on a Restate server; a process whose server takes no calls is not ready. */
export const layer = (
  options: Options
): Layer.Layer<Runtime, never, Executor | HttpClient.HttpClient | ReadinessChecks> =>
  Layer.effect(
    Runtime,
    Effect.gen(function* () {
      const { registry } = yield* Executor
      const client = yield* HttpClient.HttpClient
      const ingress = yield* RestateIngress.make(options.ingressUrl, options.keys, options.patience ?? "1 minute")
      const checks = yield* ReadinessChecks
      yield* checks.add("restate", ingress.health)
      const lifetime = Duration.toMillis(options.lifetime ?? "1 hour")

      const { adminUrl } = options
      /** Does something to the invocations of a run that have a status. */
      const onRun = (run: RunKey, status: "= 'completed'" | "<> 'completed'", act: typeof RestateAdmin.cancel) =>
        Effect.gen(function* () {
          if (adminUrl === undefined) return yield* Effect.die(new Error("RuntimeRestate needs an adminUrl for this"))
          const { handler, key, service } = Target.ofRun(run)
          const target = `${service}/${key}/${handler}`.replaceAll("'", "''")
          const found = yield* RestateAdmin.query(
            adminUrl,
            `select id from sys_invocation where target = '${target}' and status ${status}`
          )
          yield* Effect.forEach(found, ({ id }) => act(adminUrl, String(id)), { discard: true })
        }).pipe(
          Effect.tapError(({ message }) => Effect.logWarning("Restate's admin API does not answer", message)),
          Effect.mapError(() => new Unavailable({ what: "The durable runtime" })),
          Effect.provideService(HttpClient.HttpClient, client)
        )
      const ofLiving = "<> 'completed'"

      let isTold = false
      const tellOfKilled = Effect.suspend(() => {
        if (isTold) return Effect.void
        isTold = true
        return Effect.logWarning(unforgettable)
      })

      return Runtime.of({
        invoke: Effect.fnUntraced(
          function* (invocation: Invocation): Effect.fn.Return<Executed, ActionFailure> {
            const { action, resource } = invocation
            const at = yield* Clock.currentTimeMillis
            const trace = yield* traced
            const call = Call.ofInvocation(invocation, {
              id: SignedContext.newId(),
              at,
              expires: at + lifetime,
              ...trace
            })
            // No key of the ingress' own, which would repeat failures too, whatever `expectedVersion` comes with it. A
            // repetition waits for its turn at the object and finds the receipt there.
            const { status, text } = yield* ingress.call(call, { oneWay: false, idempotencyKey: undefined })
            if (status === 200) {
              const { mark, result } = JSON.parse(text) as ActionHandler.Answer
              return { result, ...(mark === undefined ? {} : { mark }), deliveries: [] }
            }
            const { failure, isBug, message } = WireError.fromAnswer(
              text,
              registry.action(resource, action)?.errors ?? nothing
            )
            const what = `${resource}.${action}`
            if (failure !== undefined) return yield* Effect.fail(failure)
            return yield* isBug ? buggy(what) : unexpected(what, status, message)
          },
          (effect, { action, resource }) => Span.within(spanOf("client", `${resource}.${action}`), effect)
        ),
        deliver: Effect.fnUntraced(
          function* (actor, delivery, id): Effect.fn.Return<void, ActionFailure> {
            const at = yield* Clock.currentTimeMillis
            const trace = yield* traced
            const once = SignedContext.named("delivery", actor.tenantId, id)
            const call = Call.ofDelivery(actor, delivery, { id: once, at, ...trace })
            const { status, text } = yield* ingress.call(call, {
              oneWay: true,
              // A workflow's own key makes it unique, and Restate takes no other for it.
              idempotencyKey: delivery._tag === "StartWorkflow" ? undefined : SignedContext.secretly(options.keys, once)
            })
            if (status >= 300) {
              return yield* unexpected(call.target.service, status, WireError.fromAnswer(text, nothing).message)
            }
          },
          (effect, _, delivery) => Span.within(spanOf("producer", nameOf(delivery)), effect)
        ),
        isAlive: (run) => ingress.isRunning(Target.ofRun(run)),
        forget: (run) => (adminUrl === undefined ? tellOfKilled : onRun(run, "= 'completed'", purge)),
        cancel: (run) => onRun(run, ofLiving, RestateAdmin.cancel),
        resume: (run) => onRun(run, ofLiving, RestateAdmin.resume)
      })
    })
  )

/** `RESTATE_INGRESS_URL`, `RESTATE_ADMIN_URL` and `TENON_CONTEXT_KEY`. */
export const layerConfig: Layer.Layer<
  Runtime,
  Config.ConfigError | ContextKeys.ContextKeysError,
  Executor | HttpClient.HttpClient | ReadinessChecks
> = Layer.unwrap(
  Effect.gen(function* () {
    const ingressUrl = yield* Setting.url("RESTATE_INGRESS_URL").pipe(Config.withDefault("http://localhost:8080"))
    const adminUrl = Option.getOrUndefined(yield* Config.option(Setting.url("RESTATE_ADMIN_URL")))
    return layer({ ingressUrl, adminUrl, keys: yield* ContextKeys.fromConfig })
  })
)
