/** What a mesh of activities tells the command line about itself, in the file that `tenon run` is given. */
import type { TransportError } from "@tenon/messaging/Transport"
import type { Transport } from "@tenon/messaging/Transport"
import * as ActivitySchema from "@tenon/routing-slip/ActivitySchema"
import * as AsyncApi from "@tenon/routing-slip/AsyncApi"
import type * as Registry from "@tenon/routing-slip/Registry"
import type { HopStore } from "@tenon/routing-slip/HopStore"
import * as Security from "@tenon/routing-slip/Security"
import * as ThingDescription from "@tenon/routing-slip/ThingDescription"
import * as Worker from "@tenon/routing-slip/Worker"
import * as Layer from "effect/Layer"

/** An activity, as far as a process manager needs to know it. */
export interface MeshActivity {
  readonly name: string
  readonly queue: string
  readonly description: string | undefined
}

/** A mesh. */
export interface MeshConfig {
  /** Names the mesh to people, in traces, and in what is deployed. */
  readonly title: string
  readonly activities: ReadonlyArray<MeshActivity>
  /** Describes a worker of some activities, for whoever plans slips. */
  readonly thing: (options: ThingDescription.Options) => ThingDescription.Thing
  /** Describes its queues to workers in other languages, by AsyncAPI. */
  readonly asyncApi: (options: AsyncApi.Options) => ActivitySchema.Json
  /** The JSON Schema of its messages and of what each activity takes, under an id. */
  readonly jsonSchema: (id: string) => ActivitySchema.Json
  /** Performs one activity of the mesh until the scope closes; then it drains. */
  readonly worker: (
    activity: string,
    options: Worker.Options
  ) => Layer.Layer<never, TransportError | Failing, Transport | HopStore>
}

/** Whatever a layer of the host may fail with: it has a sentence to say. */
export interface Failing {
  readonly message: string
}

/** What a mesh has to say; the rest has defaults. */
export type Options<R> = {
  readonly registry: Registry.Of<R>
  /** Default `mesh`. */
  readonly title?: string
  /** Default: whoever reaches the queues is trusted. Production gives `SecuritySigned` with its keys. */
  readonly security?: Layer.Layer<Security.Security, Failing>
  /** How hops are done; the command line adds which activity, and how long draining may take. */
  readonly worker?: Omit<Worker.Options, "only" | "drain">
} & Services<R>

/** What all executions of a process share; needed only where an activity needs something. */
type Services<R> = [R] extends [never]
  ? { readonly services?: undefined }
  : { readonly services: Layer.Layer<NoInfer<R>, Failing> }

/** Describes a mesh to the command line. */
export const define = <R>(options: Options<R>): MeshConfig => {
  const { registry, security = Security.layerUnsigned, services = Layer.empty as Layer.Layer<R>, title } = options
  return {
    title: title ?? "mesh",
    activities: registry.activities.map(({ description, name, queue }) => ({ name, queue, description })),
    thing: (given) => ThingDescription.make(registry, given),
    asyncApi: (given) => AsyncApi.make(registry, given),
    jsonSchema: (id) => ActivitySchema.document(registry, id),
    worker: (activity, given) =>
      Worker.layer(registry, { ...options.worker, ...given, only: [activity] }).pipe(
        Layer.provide([services, security])
      )
  }
}
