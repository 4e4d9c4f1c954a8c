/** Waits for slips. */
import { HopStore, type SlipRecord } from "@tenon/routing-slip/HopStore"
import * as Effect from "effect/Effect"

const under = new Set<SlipRecord["status"]>(["executing", "compensating"])

/** Looks every `every` until the slip is over or halted. */
export const settled = Effect.fnUntraced(function* (
  { tenantId, correlationId }: { readonly tenantId: string; readonly correlationId: string },
  every: `${number} millis` = "20 millis"
) {
  const store = yield* HopStore
  for (let left = 2_000; ; left--) {
    const slip = yield* store.slip(tenantId, correlationId)
    if ((slip !== undefined && !under.has(slip.status)) || left === 0) return slip
    yield* Effect.sleep(every)
  }
})

/** What happened to a slip, as `type step`. */
export const story = Effect.fnUntraced(function* ({
  tenantId,
  correlationId
}: {
  readonly tenantId: string
  readonly correlationId: string
}) {
  const store = yield* HopStore
  return (yield* store.events(tenantId, correlationId)).map(({ step, type }) => `${type} ${step}`)
})
