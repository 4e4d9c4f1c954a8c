/** What someone without Tenon would send from worker to worker: the steps left and those done, as JSON. */

interface Parcel {
  readonly id: string
  readonly itinerary: ReadonlyArray<{ readonly step: string; readonly queue: string; readonly amount: number }>
  readonly log: ReadonlyArray<{ readonly step: string; readonly amount: number; readonly at: number }>
}

/** A message on its way. */
export interface Sent {
  readonly queue: string
  readonly body: string
}

/** The first message of a slip. */
export const first = (id: string, queues: ReadonlyArray<string>): Sent => {
  const itinerary = queues.map((queue, index) => ({ step: String(index + 1), queue, amount: index }))
  return { queue: queues[0] ?? "", body: JSON.stringify({ id, itinerary, log: [] } satisfies Parcel) }
}

/** A step to do: its name for those who look for duplicates, and what to send once it is done; nothing after the last. */
export interface Work {
  readonly id: string
  readonly step: string
  readonly next: Sent | undefined
}

/** Reads a message and does its step, which is nothing but to write down that it was done. */
export const perform = (body: string): Work => {
  const { id, itinerary, log }: Parcel = JSON.parse(body)
  const [{ amount, step } = { amount: 0, step: "" }, ...rest] = itinerary
  const parcel: Parcel = { id, itinerary: rest, log: [...log, { step, amount, at: Date.now() }] }
  return {
    id,
    step,
    next: rest[0] === undefined ? undefined : { queue: rest[0].queue, body: JSON.stringify(parcel) }
  }
}

/** Steps that were done before, as far as this process knows; the newest ones only. */
export class Seen {
  private readonly steps = new Set<string>()
  /** Whether a step is new. */
  add({ id, step }: Work): boolean {
    const key = `${id}/${step}`
    if (this.steps.has(key)) return false
    this.steps.add(key)
    if (this.steps.size > 100_000) for (const oldest of this.steps) return (this.steps.delete(oldest), true)
    return true
  }
}
