/** How a step is claimed in one transaction: forks are found, leases kept, and what comes too early is remembered. */
import type { Row, SqlFailed, Statement, Transaction } from "@tenon/messaging/Transactions"
import type { Outgoing } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import type { Claim, Claimant, HopKey } from "./HopStore.ts"
import { purgedAmong } from "./HopStoreSqlPurge.ts"

/**
 * In one order everywhere: transactions that change the same steps wait for each other, and must not do so in a circle.
 */
export const byKey = ({ key: a }: { readonly key: HopKey }, { key: b }: { readonly key: HopKey }): number =>
  compare(a.correlationId, b.correlationId) || compare(a.step, b.step) || compare(a.phase, b.phase)

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** The row of a step; its key are the first four parameters. */
export const where = "tenant_id = $1 and correlation_id = $2 and step = $3 and phase = $4"

/** The parameters of `where`. */
export const keyOf = ({ tenantId, correlationId, step, phase }: HopKey): ReadonlyArray<unknown> => [
  tenantId,
  correlationId,
  step,
  phase
]

/** The database's time: that of the statement and not of the transaction, which may have waited. */
export const now = "clock_timestamp()"

/** The columns `queue`, `message_id` and `body` of a message. */
export const columnsOf = (message: Outgoing | undefined): ReadonlyArray<unknown> => [
  message?.queue ?? null,
  message?.id ?? null,
  message?.body ?? null
]

/** The message in a row, where there is one. */
export const messageOf = (row: Row): Outgoing | undefined =>
  row["body"] instanceof Uint8Array
    ? { queue: String(row["queue"]), id: String(row["message_id"]), body: row["body"] }
    : undefined

/** Ends the transaction of a claim with its answer, so that nothing of a message that is not taken is kept. */
export class NotTaken {
  readonly _tag = "NotTaken"
  readonly message = "not taken"
  readonly claim: Claim
  constructor(claim: Claim) {
    this.claim = claim
  }
}

const forked = (detail: string) => Effect.fail(new NotTaken({ _tag: "Forked", detail }))

const textOrNothing = (value: unknown) => (typeof value === "string" ? value : undefined)

/** Has the relay look once the lease is over, where there is a message to publish then. */
export const lease = (param: string) => `due_at = ${now} + make_interval(secs => ${param}),
  pending_at = case when body is null then null else ${now} + make_interval(secs => ${param}) end`

/**
 * Has a slip show how it stands, once none of its steps is set aside any more; its key are the first two parameters.
 */
export const showAgain = `update tenon.slips set halted = halted - 1,
  status = case when halted > 1 then status else stands end where tenant_id = $1 and correlation_id = $2`

/** A claim of a step that nobody has claimed yet. Its statement answers a row where it has claimed it. */
export interface Claiming {
  readonly key: HopKey
  readonly statement: Statement
}

/** What a claim's statement answered, and whether its slip was purged. */
export interface Claimed {
  readonly row: Row | undefined
  readonly isPurged: boolean
}

/**
 * Claims a step that nobody has claimed yet and whose message is not signed, where there is nothing to decide on the
 * way; a row where it has been claimed. Each is a statement of its own: one over a list is planned anew each time it is
 * used.
 */
export const claimNew = (key: HopKey, digest: string, seconds: number): Claiming => ({
  key,
  statement: {
    sql: `insert into tenon.slip_hops
      (tenant_id, correlation_id, step, phase, digest, status, token, claims, due_at, published_at)
    select $1, $2, $3, $4, $5, 'claimed', 1, 1, ${now} + make_interval(secs => $6), '-infinity'
    where not exists (select from tenon.purged_slips where tenant_id = $1 and correlation_id = $2)
    on conflict do nothing
    returning (select cancelled_by from tenon.slip_cancellations
      where tenant_id = $1 and correlation_id = $2 and starts_with($3, scope) order by scope limit 1) as cancelled_by`,
    params: [...keyOf(key), digest, seconds]
  }
})

/** What came of it; undefined where the step was claimed before. */
export const claimedNew = ({ isPurged, row }: Claimed): Claim | undefined => {
  if (isPurged) return { _tag: "Purged" }
  if (row === undefined) return undefined
  return {
    _tag: "Claimed",
    token: 1,
    claims: 1,
    failures: 0,
    uncertain: false,
    skippedBy: undefined,
    cancelledBy: textOrNothing(row["cancelled_by"])
  }
}

/**
 * The broker lets go of what is parked: that, and the claim that it is parked on, must not be lost with the database's
 * last moments. What was committed before goes to the disk with it.
 */
const waitForDisk: Statement = {
  sql: "select set_config(name, reset_val, true) from pg_settings where name = 'synchronous_commit'",
  params: []
}

/** Claims a step inside a transaction. */
export const claimIn = (
  key: HopKey,
  { branch, digest, incoming, index, knownOnly = false }: Claimant,
  seconds: number
) =>
  Effect.fnUntraced(function* (tx: Transaction): Effect.fn.Return<Claim, SqlFailed | NotTaken> {
    const slip = [key.tenantId, key.correlationId]
    const [, , [row] = [], [head] = [], [cancelled] = [], [purged] = []] = yield* tx.run([
      {
        sql: `insert into tenon.slip_hops
          (tenant_id, correlation_id, step, phase, digest, status, due_at, published_at)
          values ($1, $2, $3, $4, $5, 'claimed', '-infinity', '-infinity') on conflict do nothing`,
        params: [...keyOf(key), digest]
      },
      {
        sql: `insert into tenon.slip_heads (tenant_id, correlation_id, branch, place, digest)
          select $1, $2, $3, $4::bigint, $5 where $4::bigint is not null on conflict do nothing`,
        params: [...slip, branch, index ?? null, digest]
      },
      {
        sql: `select digest, status, due_at > ${now} as early, token::int, claims::int, failures::int, skipped_by,
          uncertain or (status = 'claimed' and token > 0) as uncertain,
          (case when status = 'done' then extract(epoch from ${now} - due_at) * 1000 end)::float8 as age,
          queue, message_id, body from tenon.slip_hops where ${where} for update`,
        params: keyOf(key)
      },
      {
        sql: `select digest from tenon.slip_heads
          where tenant_id = $1 and correlation_id = $2 and branch = $3 and place = $4`,
        params: [...slip, branch, index ?? -1]
      },
      {
        sql: `select cancelled_by from tenon.slip_cancellations
          where tenant_id = $1 and correlation_id = $2 and starts_with($3, scope) order by scope limit 1`,
        params: [...slip, key.step]
      },
      purgedAmong(key.tenantId, [key.correlationId])
    ])
    if (purged !== undefined) return yield* Effect.fail(new NotTaken({ _tag: "Purged" }))
    if (row === undefined) return yield* Effect.die(new Error("the row that was inserted is not there"))
    if (knownOnly && Number(row["token"]) === 0) return yield* Effect.fail(new NotTaken({ _tag: "Unknown" }))
    if (row["digest"] !== digest) {
      return yield* forked(`another message for step ${key.step} was accepted before`)
    }
    if (head !== undefined && head["digest"] !== digest) {
      return yield* forked(`another entry ${index} of this log was accepted before`)
    }
    if (row["status"] === "done") return { _tag: "Done", outgoing: messageOf(row), age: Number(row["age"]) }
    if (row["status"] === "halted") return { _tag: "Parked" }
    if (row["early"] === true) {
      if (row["status"] === "claimed") {
        yield* tx.commit([
          waitForDisk,
          {
            sql: `update tenon.slip_hops set queue = $5, message_id = $6, body = $7::bytea, pending_at = due_at,
              published_at = '-infinity' where ${where}`,
            params: [...keyOf(key), ...columnsOf(incoming)]
          }
        ])
      }
      return { _tag: "Parked" }
    }
    yield* tx.commit([
      {
        sql: `update tenon.slip_hops set uncertain = uncertain or (status = 'claimed' and token > 0),
            status = 'claimed', token = token + 1, claims = claims + 1, published_at = ${now}, ${lease("$5")}
          where ${where}`,
        params: [...keyOf(key), seconds]
      },
      ...(row["status"] === "suspended" ? [{ sql: showAgain, params: slip }] : [])
    ])
    return {
      _tag: "Claimed",
      token: Number(row["token"]) + 1,
      claims: Number(row["claims"]) + 1,
      failures: Number(row["failures"]),
      uncertain: row["uncertain"] === true,
      skippedBy: textOrNothing(row["skipped_by"]),
      cancelledBy: textOrNothing(cancelled?.["cancelled_by"])
    }
  })
