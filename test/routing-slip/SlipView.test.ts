import * as SlipView from "@tenon/routing-slip/SlipView"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const record = {
  tenantId: "tenant-a",
  correlationId: "one",
  status: "executing",
  activity: "a",
  updatedAt: 1,
  body: new Uint8Array()
} as const

it.live("a slip that has waited for days is shown at once, however often its step was tried", () =>
  Effect.gen(function* () {
    const tries = 100_000
    const events = Array.from({ length: tries + 1 }, (_, at) => ({
      seq: at + 1,
      type: at === 0 ? ("dispatched" as const) : ("retrying" as const),
      step: at === 0 ? "0" : "1",
      activity: "a",
      detail: "ExchangeUnavailable: no answer",
      at
    }))
    const began = performance.now()
    const { path } = yield* SlipView.make(record, events)
    // Ten times and more what it takes, and a fraction of what it took when each event looked at all before it.
    assert.isBelow(performance.now() - began, 5_000)
    assert.deepInclude(path[0], { step: "1", failures: tries, sentAt: 0 })
  })
)
