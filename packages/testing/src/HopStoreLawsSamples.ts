/** Slips, steps and messages to try hop stores with. */
import {
  type Claim,
  HopStore,
  type HopKey,
  type SlipEvent,
  type SlipRecord,
  type SlipState
} from "@tenon/routing-slip/HopStore"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"

let slips = 0
export const newKey = (phase: HopKey["phase"] = "execute"): HopKey => ({
  tenantId: "tenant-a",
  correlationId: `c${++slips}`,
  step: "1",
  phase
})
export const body = (text: string) => new TextEncoder().encode(text)
export const message = (text: string) => ({ queue: "q", id: text, body: body(text) })
export const incoming = (digest = "d", index?: number) => ({
  digest,
  index,
  branch: "",
  incoming: message("incoming")
})
export const event = (type: SlipEvent["type"]): SlipEvent => ({
  type,
  step: "1",
  activity: "a",
  detail: "é",
  at: 1_700_000_000_000
})
export const record = (key: HopKey, status: SlipRecord["status"] = "executing"): SlipRecord => ({
  tenantId: key.tenantId,
  correlationId: key.correlationId,
  status,
  activity: "a",
  updatedAt: 1_700_000_000_000 + slips,
  body: body("slip")
})
export const heldBy = (key: HopKey, claim: Claim) => {
  assert.strictEqual(claim._tag, "Claimed")
  return { key, token: claim._tag === "Claimed" ? claim.token : 0 }
}
export const idsOf = (slips: ReadonlyArray<SlipState>) => slips.map(({ correlationId }) => correlationId)
/** The messages of one slip that are due. */
export const dueOf = Effect.fnUntraced(function* ({ correlationId }: HopKey, grace = 0) {
  const store = yield* HopStore
  const due = yield* store.pending(1_000, grace)
  return due.filter(({ key }) => key.correlationId === correlationId).map((each) => each.message.id)
})
