/** A small mesh under zero trust for tests: `alpha` and `beta`, each with keys of its own, and a stranger. */
import type { Delivery } from "@tenon/messaging/Transport"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Hop from "@tenon/routing-slip/Hop"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as Keys from "@tenon/routing-slip/Keys"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** What was really done, in order. */
export const done: Array<string> = []

const step = <const Name extends string>(name: Name) =>
  Activity.make(name, {
    arguments: { amount: Schema.Finite },
    log: { amount: Schema.Finite },
    execute: ({ amount }) =>
      amount < 0
        ? Effect.fail("negative")
        : Effect.as(
            Effect.sync(() => void done.push(`${name} ${amount}`)),
            { amount }
          ),
    compensate: ({ amount }) => Effect.sync(() => void done.push(`undo ${name} ${amount}`))
  })

export const alpha = step("alpha")
export const beta = step("beta")
export const registry = Registry.make(alpha, beta)

/** Keys by name. */
export const keys = Effect.all({
  issuer: Keys.generate("issuer", "sig", { issues: true }),
  alpha: Keys.generate("alpha", "sig", { activities: ["alpha"] }),
  beta: Keys.generate("beta", "sig", { activities: ["beta"] }),
  gone: Keys.generate("gone", "sig", { activities: ["alpha"], revoked: true }),
  old: Keys.generate("old", "sig", { activities: ["alpha"], retired_at: 0 }),
  elsewhere: Keys.generate("elsewhere", "sig", { activities: ["alpha"], tenants: ["tenant-b"] }),
  alphaData: Keys.generate("alpha-data", "enc", { activities: ["alpha"] }),
  betaData: Keys.generate("beta-data", "enc", { activities: ["beta"] })
})

export type KeyRing = Effect.Success<typeof keys>

/** What all of the mesh share; `signing` is what `alpha` and `beta` sign with. */
export const world = (
  ring: KeyRing,
  signing: SecuritySigned.Options["signing"] = { alpha: ring.alpha.privateKey, beta: ring.beta.privateKey },
  keySet: Layer.Layer<Keys.Keys, Schema.SchemaError> = Keys.layer({
    keys: Object.values(ring).map(({ publicKey }) => publicKey)
  }),
  store: Layer.Layer<HopStore> = HopStoreMemory.layer
) =>
  SecuritySigned.layer({ signing, decryption: [ring.alphaData.privateKey, ring.betaData.privateKey] }).pipe(
    Layer.provideMerge(keySet),
    Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, store)),
    Layer.orDie
  )

/** Hands a message to the workers of the mesh, as a transport would. */
export const deliver = (queue: string, body: Uint8Array, attempt = 1) => {
  const delivery: Delivery = { queue, id: "m", body, attempt }
  return Hop.handler(registry)(delivery)
}

/** Begins a slip `alpha 1`, `beta 2` and gives its first message. */
export const begin = Effect.fnUntraced(function* (
  ring: KeyRing,
  correlationId: string,
  change: (builder: RoutingSlip.Builder<"alpha" | "beta">) => RoutingSlip.Builder<"alpha" | "beta"> = (builder) =>
    builder
) {
  const slip = yield* RoutingSlip.builder(registry, { correlationId }).pipe(
    RoutingSlip.add(alpha, { amount: 1 }),
    RoutingSlip.add(beta, { amount: 2 }),
    RoutingSlip.variable("customer", "ada"),
    RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(ring.issuer.privateKey))),
    change,
    RoutingSlip.dispatch
  )
  return yield* newest(slip.correlationId)
})

/** The newest message of a slip. */
export const newest = Effect.fnUntraced(function* (correlationId: string) {
  const store = yield* HopStore
  return (yield* store.slip("default", correlationId))?.body ?? new Uint8Array()
})

/** The message that `alpha` made for `beta`. */
export const afterAlpha = Effect.fnUntraced(function* (ring: KeyRing, correlationId: string) {
  yield* deliver(alpha.queue, yield* begin(ring, correlationId))
  done.length = 0
  return yield* newest(correlationId)
})
