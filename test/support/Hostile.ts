/* oxlint-disable typescript/no-explicit-any -- hostile messages are made by hand, past all types. */
/** Makes hostile messages, and says what must become of them. */
import type { Settlement } from "@tenon/messaging/Transport"
import { assert } from "@effect/vitest"
import * as Jose from "jose"
import { done } from "./SignedWorld.ts"

/** Changes a message by hand, leaving its signatures as they are. */
export const altered = (body: Uint8Array, change: (message: any) => void): Uint8Array => {
  const message = JSON.parse(new TextDecoder().decode(body))
  change(message)
  return new TextEncoder().encode(JSON.stringify(message))
}

/** It must be set aside with its reason, and nothing may be executed. */
export const refusedFor = (settlement: Settlement, reason: string): void => {
  assert.strictEqual(settlement._tag, "DeadLetter", JSON.stringify(settlement))
  if (settlement._tag === "DeadLetter") assert.strictEqual(settlement.reason, reason, settlement.detail)
  assert.deepStrictEqual(done, [], "nothing may be executed")
}

export const lastJws = (message: any): string => message.headers.security_context.jws_signature

/** What an entry signs. */
export const entryOf = (jws: string): any =>
  JSON.parse(new TextDecoder().decode(Jose.base64url.decode(jws.split(".")[1] ?? "")))

export const base64 = (value: object) => Jose.base64url.encode(JSON.stringify(value))
