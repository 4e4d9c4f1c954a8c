/**
 * One activity in this process, until a signal: what `tenon run` starts for each activity, and what a container runs.
 */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import * as Directory from "@tenon/routing-slip/Directory"
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as Retention from "@tenon/routing-slip/Retention"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MeshBackend from "./MeshBackend.ts"
import type { MeshConfig } from "./MeshConfig.ts"
import { retention } from "./RetentionConfig.ts"
import * as Tracing from "./Tracing.ts"
import * as WorkerHealth from "./WorkerHealth.ts"

const retentionLayer = Layer.effect(Retention.Retention, retention("SLIP_RETENTION", Duration.days(30)))

/** How the process works. */
export interface Options {
  readonly activity: string
  /** How long steps in hand may take once the process is to stop. */
  readonly grace: Duration.Input
  /** How many messages it has in hand at once, at most. */
  readonly prefetch: number | undefined
  /** Where probes are answered; nowhere without it. */
  readonly health: { readonly host: string; readonly port: number } | undefined
}

/** The worker and all it needs. */
export const layer = (mesh: MeshConfig, { activity, grace, health, prefetch }: Options) => {
  let state: "starting" | "ready" | "draining" = "starting"
  const starting = Layer.effectDiscard(
    Effect.gen(function* () {
      const checks = yield* ReadinessChecks.ReadinessChecks
      yield* checks.add(
        "worker",
        Effect.suspend(() => (state === "starting" ? Effect.fail("not listening yet") : Effect.void))
      )
    })
  )
  // Built last, so it is the first to be closed: probes hear of the end before the worker begins to drain.
  const listening = Layer.effectDiscard(
    Effect.andThen(
      Effect.sync(() => void (state = "ready")),
      Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.sync(() => void (state = "draining")),
          Effect.logInfo("draining")
        )
      )
    )
  )
  // Whoever plans slips finds it from when it listens until it drains; where it dies, for a minute more.
  const listed = Layer.unwrap(
    Effect.map(MeshBackend.queueUri, (href) =>
      Directory.announce(
        mesh.thing({
          id: `urn:uuid:${randomUUID()}`,
          title: `${mesh.title}/${activity} on ${hostname()}`,
          href,
          only: [activity]
        })
      )
    )
  )
  const worker = mesh.worker(activity, { drain: grace, ...(prefetch === undefined ? {} : { prefetch }) })
  const probes =
    health === undefined ? Layer.empty : WorkerHealth.layer({ ...health, draining: () => state === "draining" })
  return Layer.merge(listening, listed).pipe(
    Layer.provideMerge(worker),
    Layer.provideMerge(Layer.merge(starting, probes)),
    Layer.provide([MeshBackend.transport, MeshBackend.store, MeshBackend.directory, retentionLayer]),
    Layer.provideMerge(ReadinessChecks.layer),
    Layer.provideMerge(Tracing.layer(`${mesh.title}/${activity}`))
  )
}

/** Performs the activity until it is interrupted, then drains. */
export const run = (mesh: MeshConfig, options: Options) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Layer.build(layer(mesh, options))
      yield* Effect.logInfo("ready")
      return yield* Effect.never
    })
  )
