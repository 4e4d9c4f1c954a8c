/** How a step is claimed in one transaction: forks are found, leases kept, and what comes too early is remembered. */
import { lightly, type Row, type SqlFailed, type Transaction } from "@tenon/messaging/Transactions"
import type { Outgoing } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import type { Claim, Claimant, HopKey } from "./HopStore.ts"
import { purgedAmong } from "./HopStoreSqlPurge.ts"

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

/** Has a slip show how it stands, once none of its steps is set aside any more; its key are the first two parameters. */
export const showAgain = `update tenon.slips set halted = halted - 1,
  status = case when halted > 1 then status else stands end where tenant_id = $1 and correlation_id = $2`

/** A step to claim. */
export interface Claiming {
  readonly key: HopKey
  readonly digest: string
  readonly seconds: number
}

/**
 * Claims steps of one tenant that nobody has claimed yet and whose messages are not signed, where there is nothing to
 * decide on the way; it answers those that it has claimed.
 */
export const claimNew = (tenantId: string, claims: ReadonlyArray<Claiming>) => {
  // In one order everywhere: two that insert the same steps wait for each other, and must not do so in a circle.
  const sorted = claims.toSorted(({ key: a }, { key: b }) => (slipStep(a) < slipStep(b) ? -1 : 1))
  return {
    sql: `with fresh as (insert into tenon.slip_hops
        (tenant_id, correlation_id, step, phase, digest, status, token, claims, due_at, published_at)
        select $1, c.correlation_id, c.step, c.phase, c.digest, 'claimed', 1, 1,
          ${now} + make_interval(secs => c.secs), '-infinity'
        from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
          as c (correlation_id, step, phase, digest, secs)
        where not exists (select from tenon.purged_slips as p
          where p.tenant_id = $1 and p.correlation_id = c.correlation_id)
        on conflict do nothing returning correlation_id, step, phase, digest)
      select f.correlation_id, f.step, f.phase, f.digest, (select cancelled_by from tenon.slip_cancellations as c
        where c.tenant_id = $1 and c.correlation_id = f.correlation_id and starts_with(f.step, c.scope)
        order by c.scope limit 1) as cancelled_by
      from fresh as f`,
    params: [
      tenantId,
      sorted.map(({ key }) => key.correlationId),
      sorted.map(({ key }) => key.step),
      sorted.map(({ key }) => key.phase),
      sorted.map(({ digest }) => digest),
      sorted.map(({ seconds }) => seconds)
    ]
  }
}

const slipStep = ({ correlationId, phase, step }: HopKey) => `${phase}/${step}/${correlationId}`

/**
 * What the answer means for each; undefined where the step was claimed before. Of two for one step, one has it. `gone` are
 * the slips among them that were purged: looked for after the claim, since one may go while that waits for its rows.
 */
export const claimedNew = (
  claims: ReadonlyArray<Claiming>,
  rows: ReadonlyArray<Row>,
  gone: ReadonlyArray<Row>
): ReadonlyArray<Claim | undefined> => {
  const purged = new Set(gone.map((row) => row["correlation_id"]))
  const fresh = new Map(
    rows.map((row) => [`${String(row["phase"])}/${String(row["step"])}/${String(row["correlation_id"])}`, row])
  )
  return claims.map(({ digest, key }): Claim | undefined => {
    if (purged.has(key.correlationId)) return { _tag: "Purged" }
    const name = slipStep(key)
    const row = fresh.get(name)
    if (row === undefined || row["digest"] !== digest) return undefined
    fresh.delete(name)
    return {
      _tag: "Claimed",
      token: 1,
      claims: 1,
      failures: 0,
      uncertain: false,
      skippedBy: undefined,
      cancelledBy: textOrNothing(row["cancelled_by"])
    }
  })
}

/** Claims a step inside a transaction. */
export const claimIn = (key: HopKey, { branch, digest, incoming, index }: Claimant, seconds: number) =>
  Effect.fnUntraced(function* (tx: Transaction): Effect.fn.Return<Claim, SqlFailed | NotTaken> {
    const slip = [key.tenantId, key.correlationId]
    const [, , , [row] = [], [head] = [], [cancelled] = [], [purged] = []] = yield* tx.run([
      // A claim that is lost with the database's last moments is one whose worker finds itself fenced off.
      lightly,
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
          {
            sql: `update tenon.slip_hops set queue = $5, message_id = $6, body = $7::bytea, pending_at = due_at
              where ${where}`,
            params: [...keyOf(key), ...columnsOf(incoming)]
          }
        ])
      }
      return { _tag: "Parked" }
    }
    yield* tx.commit([
      {
        sql: `update tenon.slip_hops set uncertain = uncertain or (status = 'claimed' and token > 0),
            status = 'claimed', token = token + 1, claims = claims + 1, ${lease("$5")}
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
