/** What probes ask a worker process: whether it lives and whether it takes messages; and its metrics. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { CurrentActor } from "@tenon/core/Actor"
import { ReadinessChecks } from "@tenon/core/ReadinessChecks"
import * as Exchange from "@tenon/http/Exchange"
import * as Health from "@tenon/http/Health"
import { UnknownRoute } from "@tenon/http/HttpFailure"
import * as NodeServer from "@tenon/http/NodeServer"
import * as Problem from "@tenon/http/Problem"
import * as Routes from "@tenon/http/Routes"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"

/** Whoever asks: an actor of no tenant with no role. */
const nobody: CurrentActor["Service"] = { id: "nobody", tenantId: "", kind: "user", roles: [] }

/** Where it listens, and whether the worker has begun to stop. */
export interface Options {
  readonly host: string
  readonly port: number
  readonly draining: () => boolean
}

/** Serves `/health/live`, `/health/ready` and `/metrics` until the scope closes. */
export const layer = ({ draining, host, port }: Options) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const checks = yield* ReadinessChecks
      const find = Routes.make(Health.routes({ checks, draining, metrics: true }))
      yield* HttpServer.serveEffect(
        Effect.gen(function* () {
          const exchange = Exchange.make(yield* HttpServerRequest)
          const route = exchange.method === "GET" ? find(exchange.path)?.methods["GET"] : undefined
          if (route === undefined) return Problem.respond(exchange, new UnknownRoute(), [])
          return yield* route.handle(exchange).pipe(
            Effect.provideService(CurrentActor, nobody),
            Effect.catch((failure) => Effect.succeed(Problem.respond(exchange, failure, [])))
          )
        })
      )
    })
  ).pipe(Layer.provide(NodeHttpServer.layer(() => NodeServer.make(), { host, port })))
