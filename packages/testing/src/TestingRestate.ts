/** The whole domain over a real Restate server beside this process, with the store in memory. */
import * as AuditLog from "@tenon/core/AuditLog"
import { CurrentActor } from "@tenon/core/Actor"
import * as Executor from "@tenon/core/Executor"
import * as Interpreter from "@tenon/core/Interpreter"
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import type * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Workflow from "@tenon/core/Workflow"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RestateEndpoint from "@tenon/restate/RestateEndpoint"
import * as RuntimeRestate from "@tenon/restate/RuntimeRestate"
import * as Context from "effect/Context"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { actor } from "./TestingServices.ts"

/** The server that a test's Restate runs on, and the keys that its contexts are signed with. */
export class TestRestate extends Context.Service<
  TestRestate,
  EmbeddedRestate.EmbeddedRestate & { readonly keys: ContextKeys.ContextKeys }
>()("@tenon/testing/TestRestate") {}

/** A Restate server of its own. */
export const layerServer = (options?: EmbeddedRestate.Options) =>
  Layer.effect(
    TestRestate,
    Effect.map(EmbeddedRestate.start(options), (server) => ({ ...server, keys: ContextKeys.random() }))
  )

/** Handlers and runtime on the server at hand. */
export const layerRuntime = (options?: Partial<RestateEndpoint.Options>) =>
  Layer.unwrap(
    Effect.map(TestRestate, ({ adminUrl, identityKey, ingressUrl, keys }) =>
      RestateEndpoint.layer({
        adminUrl,
        keys,
        identityKeys: [identityKey],
        port: 0,
        drain: "1 second",
        ...options
      }).pipe(Layer.provideMerge(RuntimeRestate.layer({ ingressUrl, adminUrl, keys })))
    )
  ).pipe(Layer.provide(FetchHttpClient.layer), Layer.provideMerge(ReadinessChecks.layer))

/** As `Testing.layer`, on the Restate at hand instead of in memory. */
export const layer = <R = RunEvents>(
  registry: Registry.Registry,
  workflows: Layer.Layer<Workflow.Workflows, never, R> = Layer.succeed(Workflow.Workflows, new Map()),
  options?: Partial<RestateEndpoint.Options>
) =>
  Layer.mergeAll(Interpreter.layer, OutboxRelay.layer).pipe(
    Layer.provideMerge(layerRuntime(options)),
    Layer.provideMerge(Layer.mergeAll(Executor.layer(registry), Repository.layer, workflows)),
    Layer.provideMerge(Layer.mergeAll(MemoryStore.layer(registry), AuditLog.layerLog)),
    Layer.provideMerge(Layer.succeed(CurrentActor, actor()))
  )
