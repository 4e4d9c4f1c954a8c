/**
 * What could be decided and never be carried out or kept: a send to a key that no object can have, a delay without an
 * end, text that no store and no wire takes. It is found where it is made, before anything is saved, rather than at its
 * target again and again.
 */
import * as Duration from "effect/Duration"
import type { Issue } from "./Failure.ts"
import { type Delivery, delayOf } from "./Invocation.ts"
import * as Storable from "./Storable.ts"
import type { OutboxEvent } from "./UnitOfWork.ts"

const under = (place: string, issues: ReadonlyArray<Issue>): ReadonlyArray<Issue> =>
  issues.map(({ message, path }) => ({ path: path === "" ? place : `${place}.${path}`, message }))

/** What every runtime waits for. */
const longest = Duration.days(3650)

const inDelay = (what: string, delayMillis: number): ReadonlyArray<Issue> =>
  delayMillis <= Duration.toMillis(longest)
    ? []
    : [{ path: `${what} delay`, message: `must be ${Duration.toDays(longest)} days at most` }]

/** The faults of a delivery: its key, its delay, its input or payload, and the id of a signal. */
export const inDelivery = (delivery: Delivery): ReadonlyArray<Issue> => {
  const what = delivery._tag === "Send" ? `${delivery.resource}.${delivery.action}` : delivery.workflow
  const fault = Storable.faultOfKey(delivery.key)
  const key = fault === undefined ? [] : [{ path: `${what} key`, message: fault }]
  const envelope = [...key, ...inDelay(what, delayOf(delivery))]
  return delivery._tag === "Signal"
    ? [
        ...envelope,
        ...under(`${what} signal id`, Storable.faultsIn(delivery.id)),
        ...under(`${what} payload`, Storable.faultsIn(delivery.payload))
      ]
    : [...envelope, ...under(`${what} input`, Storable.faultsIn(delivery.input))]
}

/** The faults of a domain event: its delay and its payload. */
export const inEvent = ({ delayMillis = 0, name, payload }: OutboxEvent): ReadonlyArray<Issue> => [
  ...inDelay(name, delayMillis),
  ...under(`${name} payload`, Storable.faultsIn(payload))
]

/** The faults of a result that a receipt is to keep. */
export const inResult = (result: Parameters<typeof Storable.faultsIn>[0]): ReadonlyArray<Issue> =>
  under("result", Storable.faultsIn(result))

/** Gives a delivery back, or throws where it could never be carried out: in a program that is a bug. */
export const refuse = (delivery: Delivery): Delivery => {
  const [issue] = inDelivery(delivery)
  if (issue === undefined) return delivery
  throw new Error(`A run sends what cannot be delivered. ${issue.path} ${issue.message}`)
}
