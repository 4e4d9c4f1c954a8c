/**
 * Marks messages that the broker has confirmed. A mark that is lost has its message sent twice, which its receiver
 * notices; so nothing waits for marks, and they are written a moment later, those of a tenant at once.
 */
import * as Parting from "@tenon/core/Parting"
import type { SqlFailed, Statement, Transactions } from "@tenon/messaging/Transactions"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { type HopKey, longestPause } from "./HopStore.ts"
import { byKey, keyOf, now, where } from "./HopStoreSqlClaim.ts"

/** A message of a step. */
export interface Mark {
  readonly key: HopKey
  readonly id: string
}

const together = 200

const emptyOnceDone = (column: string) => `${column} = case when status = 'done' then null else ${column} end`

/**
 * One by one: a statement over a list of them may be planned to read the whole table, and go on so as it grows. What is
 * set aside and not claimed yet is looked at again once it has been due for twice as long.
 */
const marking = ({ id, key }: Mark): Statement => ({
  sql: `update tenon.slip_hops set ${["queue", "message_id", "body"].map(emptyOnceDone).join(", ")},
      pending_at = case when status = 'done' then null
        else ${now} + least(${now} - due_at, make_interval(secs => ${longestPause / 1_000})) end
    where ${where} and message_id = $5 and (status = 'done' or pending_at <= ${now})`,
  params: [...keyOf(key), id]
})

/** `add` returns at once; `flush` writes what was added before it. What is left is written when the scope closes. */
export const make = Effect.fnUntraced(function* (sql: Transactions["Service"]) {
  const scope = yield* Effect.scope
  const oneAtATime = yield* Semaphore.make(1)
  const marks: Array<Mark> = []
  const write = ([tenantId, some]: readonly [string, ReadonlyArray<Mark>]) =>
    sql.batch({ tenantId, asynchronousCommit: true }, some.toSorted(byKey).map(marking))
  const writeAll: Effect.Effect<void, SqlFailed> = Effect.suspend(() => {
    if (marks.length === 0) return Effect.void
    const ofTenants = Map.groupBy(marks.splice(0, together), ({ key }) => key.tenantId)
    return Effect.andThen(Effect.forEach(ofTenants, write, { concurrency: 2, discard: true }), writeAll)
  })
  // Those that a failure leaves are dropped: nobody would write them again, and they must not pile up.
  const flush = Effect.uninterruptible(
    oneAtATime.withPermit(Effect.tapError(writeAll, () => Effect.sync(() => void marks.splice(0))))
  )
  const flushQuietly = Effect.catch(flush, ({ _tag, message }) =>
    Effect.logDebug("Messages that were sent were not marked, and will be sent again", _tag, message)
  )
  yield* Effect.addFinalizer(() => Parting.say(flushQuietly))
  const soon = Effect.delay(flushQuietly, "10 millis")
  return {
    flush,
    add: (mark: Mark): Effect.Effect<void> =>
      Effect.suspend(() => (marks.push(mark) === 1 ? Effect.asVoid(Effect.forkIn(soon, scope)) : Effect.void))
  }
})
