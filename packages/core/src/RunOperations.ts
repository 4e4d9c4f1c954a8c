/** `Durable` from the few operations that a runtime has to make durable: what the rest has in common is here. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import type { Actor } from "./Actor.ts"
import * as DirectiveDelivery from "./DirectiveDelivery.ts"
import * as ActionJson from "./ActionJson.ts"
import { Durable } from "./Durable.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Delivery, Invocation } from "./Invocation.ts"
import { type Kind, signalName } from "./RunJournal.ts"
import * as Storable from "./Storable.ts"
import * as Undeliverable from "./Undeliverable.ts"

/** What a runtime makes durable. Each is numbered when it begins. */
export interface RunOperations {
  readonly step: Durable["Service"]["step"]
  readonly sleep: (duration: Duration.Duration) => Effect.Effect<void>
  readonly signal: Durable["Service"]["signal"]
  /** Hands a delivery over, once. */
  readonly deliver: (delivery: Delivery) => Effect.Effect<void>
  /** Runs an action, once, and gives the encoding of its output. */
  readonly call: (action: Action.Any, invocation: Invocation) => Effect.Effect<Schema.Json, ActionFailure>
}

/** Which run it is. */
export interface RunIdentity {
  readonly workflow: string
  readonly key: string
  readonly actor: Actor
}

/** What a program of the run is given. */
export const durable = ({ actor, key, workflow }: RunIdentity, operations: RunOperations): Durable["Service"] => {
  const deliver = (delivery: Delivery) => operations.deliver(Undeliverable.refuse(delivery))
  return Durable.of({
    workflow,
    key,
    actor,
    // Only people read it, and a program may make it of what a user wrote: no reason to fail.
    step: (name, effect, options) => operations.step(Storable.clean(name), effect, options),
    sleep: (duration) => operations.sleep(Duration.fromInputUnsafe(duration)),
    signal: (name, id) => {
      const fault = Storable.faultOf(signalName(name, id))
      return fault === undefined
        ? operations.signal(name, id)
        : Effect.die(new Error(`A run waits for a signal that nobody can send: its name and id ${fault}`))
    },
    send: (action, to, input, options) =>
      Effect.suspend(() =>
        deliver(DirectiveDelivery.ofReady({ _tag: "Send", action, key: to, input: () => input, delay: options?.delay }))
      ),
    call: ((action: Action.Any, to: string, input: unknown, options) =>
      Effect.suspend(() =>
        Effect.flatMap(
          operations.call(action, {
            resource: action.resource,
            action: action.name,
            key: to,
            input: ActionJson.encode(action.input, input, action),
            actor,
            origin: options?.origin ?? "internal"
          }),
          (result) => ActionJson.decodeResult(action, result)
        )
      )) as Durable["Service"]["call"],
    start: (workflow, to, input, options) =>
      Effect.suspend(() =>
        deliver(
          DirectiveDelivery.ofReady({
            _tag: "StartWorkflow",
            workflow,
            key: to,
            input,
            delay: options?.delay,
            fork: undefined,
            as: undefined
          })
        )
      ),
    notify: (workflow, to, signal, payload, id) =>
      Effect.suspend(() =>
        deliver(
          DirectiveDelivery.ofReady({
            _tag: "Signal",
            workflow,
            key: to,
            signal,
            payload,
            ...(id === undefined ? {} : { id })
          })
        )
      )
  })
}

/** What the journal keeps of a delivery: to whom it went. */
export const outcomeOf = ({ key }: Delivery): Schema.Json => ({ to: key })

/** How the journal names a delivery. */
export const nameOf = (delivery: Delivery): readonly [Kind, string] => {
  switch (delivery._tag) {
    case "Send":
      return ["send", `${delivery.resource}.${delivery.action}`]
    case "StartWorkflow":
      return ["start", delivery.workflow]
    case "Signal":
      return ["notify", `${delivery.workflow}.${signalName(delivery.signal, delivery.id)}`]
  }
}
