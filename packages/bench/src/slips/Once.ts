/** How workers by hand do a step once: the outcome is kept before it is sent, and a duplicate sends what was kept. */
import type * as Parcel from "./Parcel.ts"

/** Does a step once, and publishes what it leads to; `reached` is called at the end of a slip. */
export type Once = (
  work: Parcel.Work,
  publish: (sent: Parcel.Sent) => Promise<unknown>,
  reached: () => void
) => Promise<void>

/** As many steps as ours remembers of slips of three that are over. */
const most = 30_000

/** Once, as far as this process knows: it remembers the newest steps, and nothing survives it. */
export const inMemory = (): Once => {
  const outcomes = new Map<string, Parcel.Sent | undefined>()
  return async (work, publish, reached) => {
    const key = `${work.id}/${work.step}`
    const isNew = !outcomes.has(key)
    const next = isNew ? work.perform() : outcomes.get(key)
    if (isNew) {
      outcomes.set(key, next)
      if (outcomes.size > most) for (const oldest of outcomes.keys()) if (outcomes.delete(oldest)) break
    }
    if (next !== undefined) await publish(next)
    else if (isNew) reached()
  }
}
