/** A call that is ready to be made, by a handler through its journal or by a door through the ingress. */
import type { Actor } from "@tenon/core/Actor"
import { actorOf, type Delivery, delayOf, type Invocation } from "@tenon/core/Invocation"
import type * as Schema from "effect/Schema"
import type { Claims } from "./SignedContext.ts"
import * as Target from "./Target.ts"

/** Where a call goes, with what, on whose behalf, and when. */
export interface Call {
  readonly target: Target.Target
  readonly body: Uint8Array
  readonly claims: Claims
  readonly delayMillis: number
}

const encoder = new TextEncoder()

const bodyOf = (json: Schema.Json) => encoder.encode(JSON.stringify(json))

/** The call that carries out an invocation. */
export const ofInvocation = (invocation: Invocation, claims: Pick<Claims, "id" | "at" | "expires" | "trace">): Call => {
  const { actor, expectedVersion, fingerprint, idempotencyKey, origin } = invocation
  const target = Target.ofAction(actor.tenantId, invocation)
  return {
    target,
    body: bodyOf(invocation.input),
    delayMillis: 0,
    claims: {
      ...claims,
      actor,
      origin,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...(expectedVersion === undefined ? {} : { expectedVersion })
    }
  }
}

/** The call that carries out a delivery. */
export const ofDelivery = (actor: Actor, delivery: Delivery, claims: Pick<Claims, "id" | "at" | "trace">): Call => {
  const target = Target.ofDelivery(actor.tenantId, delivery)
  const delayMillis = delayOf(delivery)
  return {
    target,
    body: bodyOf(delivery._tag === "Signal" ? delivery.payload : delivery.input),
    delayMillis,
    claims: {
      ...claims,
      at: claims.at + delayMillis,
      actor: actorOf(actor, delivery),
      origin: "internal",
      ...(delivery._tag === "Signal" && delivery.id !== undefined ? { signal: delivery.id } : {}),
      ...(delivery._tag === "StartWorkflow" && delivery.fork !== undefined ? { fork: delivery.fork } : {})
    }
  }
}
