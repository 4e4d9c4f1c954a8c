/**
 * What someone without Tenon would send from worker to worker: the steps left and those done, with what undoing them
 * takes, as JSON. It says as much as a slip of ours does, unsigned, but for its policies.
 */

interface Step {
  readonly step: string
  readonly activity: string
  readonly queue: string
  readonly arguments: { readonly amount: number }
  readonly timeout: number | null
}

interface Parcel {
  readonly message: string
  readonly id: string
  readonly tenant: string
  readonly itinerary: ReadonlyArray<Step>
  readonly done: ReadonlyArray<{ readonly step: string; readonly activity: string; readonly at: number }>
  readonly undo: ReadonlyArray<{
    readonly step: string
    readonly activity: string
    readonly queue: string
    readonly data: { readonly amount: number }
  }>
  readonly variables: { readonly [name: string]: unknown }
  readonly phase: "execute" | "undo"
  readonly deadline: number | null
}

/** A message on its way. */
export interface Sent {
  readonly queue: string
  readonly body: string
}

/** The first message of a slip of so many steps, which the activities of the queues do by turns. */
export const first = (id: string, queues: ReadonlyArray<string>, steps: number): Sent => {
  const itinerary = Array.from({ length: steps }, (_, index) => ({
    step: String(index + 1),
    activity: `s${index % queues.length}`,
    queue: queues[index % queues.length] ?? "",
    arguments: { amount: index },
    timeout: null
  }))
  const parcel: Parcel = {
    message: globalThis.crypto.randomUUID(),
    id,
    tenant: "bench",
    itinerary,
    done: [],
    undo: [],
    variables: {},
    phase: "execute",
    deadline: null
  }
  return { queue: queues[0] ?? "", body: JSON.stringify(parcel) }
}

/** A step to do: its name for those who look for duplicates, and how it is done. */
export interface Work {
  readonly id: string
  readonly step: string
  /** Does it, which is nothing but to write down that it was done; gives what to send then, nothing after the last. */
  readonly perform: () => Sent | undefined
}

/** Reads a message. */
export const read = (body: string): Work => {
  const parcel: Parcel = JSON.parse(body)
  const [current, ...itinerary] = parcel.itinerary
  if (current === undefined) throw new Error("nothing is left to do")
  const { activity, queue, step } = current
  return {
    id: parcel.id,
    step,
    perform: () => {
      const { amount } = current.arguments
      const next: Parcel = {
        ...parcel,
        message: globalThis.crypto.randomUUID(),
        itinerary,
        done: [...parcel.done, { step, activity, at: Date.now() }],
        undo: [...parcel.undo, { step, activity, queue, data: { amount } }]
      }
      return itinerary[0] === undefined ? undefined : { queue: itinerary[0].queue, body: JSON.stringify(next) }
    }
  }
}
