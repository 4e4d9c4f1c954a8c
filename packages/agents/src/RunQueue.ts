/** What a new message does to a thread's runs: one is active, others wait. Pure; the thread's actions carry it out. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { QueueFull, ThreadBusy } from "./AgentFailure.ts"

/**
 * `enqueue`: a run per message, one after the other. `coalesce`: one run for all messages that come meanwhile.
 * `interrupt`: as `coalesce`, and the active run is stopped. `reject`: the message is refused.
 */
export const QueuePolicy = Schema.Literals(["enqueue", "interrupt", "reject", "coalesce"])
export type QueuePolicy = typeof QueuePolicy.Type

/** The most runs that wait in a thread. */
export const maxWaiting = 100

/** What to do about a message that asks for a run. */
export interface Admission {
  /** Whether it gets a run of its own, and whether that begins now. */
  readonly run: "now" | "later" | "none"
  /** Whether the active run is to stop. */
  readonly interrupt: boolean
}

/** Decides for a thread whose active run, if any, is `active`, and where `waiting` runs wait. */
export const admit = (
  policy: QueuePolicy,
  active: string | undefined,
  waiting: number
): Result.Result<Admission, ThreadBusy | QueueFull> => {
  if (active === undefined) return Result.succeed({ run: "now", interrupt: false })
  switch (policy) {
    case "reject":
      return Result.fail(new ThreadBusy({ run: active }))
    case "enqueue":
      return waiting >= maxWaiting
        ? Result.fail(new QueueFull({ limit: maxWaiting }))
        : Result.succeed({ run: "later", interrupt: false })
    case "coalesce":
    case "interrupt":
      return Result.succeed({ run: waiting > 0 ? "none" : "later", interrupt: policy === "interrupt" })
  }
}
