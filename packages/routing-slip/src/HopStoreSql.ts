/**
 * A hop store on PostgreSQL, in tenant transactions: whatever a worker stores, it stores under row security, and all of
 * it or nothing. Time is the database's. `Transactions` is what it needs of the foundation; `TenantSql` of `@tenon/sql`
 * provides it as it is: `Layer.effect(Transactions, TenantSql)`.
 */
import { Unavailable } from "@tenon/core/Failure"
import type { Outgoing } from "@tenon/messaging/Transport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Claim,
  Fenced,
  type Held,
  type HopKey,
  HopStore,
  keyText,
  NotHalted,
  openingKey,
  type Pending,
  type RecordedEvent,
  type SlipEvent,
  type SlipRecord
} from "./HopStore.ts"

interface Statement {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
}
interface Row {
  readonly [column: string]: unknown
}
type Rows = ReadonlyArray<ReadonlyArray<Row>>
interface SqlFailed {
  readonly _tag: string
  readonly message: string
}
interface Scope {
  readonly tenantId: string | null
  readonly role?: string
}
interface Transaction {
  readonly run: (statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailed>
  readonly commit: (statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailed>
}

/** Transactions under a tenant, or under a role that sees all tenants. */
export class Transactions extends Context.Service<
  Transactions,
  {
    readonly batch: (scope: Scope, statements: ReadonlyArray<Statement>) => Effect.Effect<Rows, SqlFailed>
    readonly transaction: <A, E, R>(
      scope: Scope,
      body: (tx: Transaction) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | SqlFailed, R>
  }
>()("@tenon/routing-slip/Transactions") {}

const seconds = (millis: number) => millis / 1_000
const where = "tenant_id = $1 and correlation_id = $2 and step = $3 and phase = $4"
const keyOf = ({ tenantId, correlationId, step, phase }: HopKey) => [tenantId, correlationId, step, phase]
const now = "clock_timestamp()"

const select = `select digest, status, due_at > ${now} as early, token::int, claims::int, failures::int, skipped_by,
  queue, message_id, body from tenon_slips.hops where ${where} for update`

const messageOf = (row: Row): Outgoing | undefined =>
  row["body"] instanceof Uint8Array
    ? { queue: String(row["queue"]), id: String(row["message_id"]), body: row["body"] }
    : undefined

const pendingOf = (row: Row): ReadonlyArray<Pending> => {
  const message = messageOf(row)
  const key: HopKey = {
    tenantId: String(row["tenant_id"]),
    correlationId: String(row["correlation_id"]),
    step: String(row["step"]),
    phase: row["phase"] === "execute" ? "execute" : "compensate"
  }
  return message === undefined ? [] : [{ key, message }]
}

const textOrNothing = (value: unknown) => (typeof value === "string" ? value : undefined)

/** A condition of a claim: it is held and its token is the newest. */
const isHeld = `${where} and status = 'claimed' and token = $5`

const columnsOf = (message: Outgoing | undefined) => [
  message?.queue ?? null,
  message?.id ?? null,
  message?.body ?? null
]

/** Inserts an event where the statement before it, called `held`, changed a row. */
const insertEvent = (first: number) => `insert into tenon_slips.events
  (tenant_id, correlation_id, type, step, activity, detail, at)
  select $1, $2, $${first}, $${first + 1}, $${first + 2}, $${first + 3}, $${first + 4} from held`

const eventParams = ({ type, step, activity, detail, at }: SlipEvent) => [type, step, activity, detail, at]

const upsertSlip = (source: string, first: number) => `insert into tenon_slips.slips as s
  (tenant_id, correlation_id, status, activity, updated_at, body)
  select $1, $2, $${first}, $${first + 1}, $${first + 2}, $${first + 3}::bytea ${source}
  on conflict (tenant_id, correlation_id) do update set status = excluded.status, activity = excluded.activity,
    updated_at = excluded.updated_at, body = excluded.body`

const slipParams = ({ status, activity, updatedAt, body }: SlipRecord) => [status, activity, updatedAt, body]

const slipOf =
  (tenantId: string) =>
  (row: Row): SlipRecord => ({
    tenantId,
    correlationId: String(row["correlation_id"]),
    status: row["status"] as SlipRecord["status"],
    activity: String(row["activity"]),
    updatedAt: Number(row["updated_at"]),
    body: row["body"] instanceof Uint8Array ? row["body"] : new Uint8Array()
  })

const selectSlip =
  "select correlation_id, status, activity, updated_at, body from tenon_slips.slips where tenant_id = $1"

/** Ids are compared byte by byte, as the other store does, whatever the database's language. */
const pageOfSlips = `${selectSlip} and ($2::text is null or status = $2) and ($3::text is null or activity = $3)
  and ($4::bigint is null or updated_at >= $4) and ($5::bigint is null or updated_at < $5)
  and ($6::bigint is null or (updated_at, correlation_id collate "C") < ($6, $7::text collate "C"))
  order by updated_at desc, correlation_id collate "C" desc limit $8`

/** Whatever the database says that is not an answer: the same may succeed later, and a bug shows in the log. */
const unavailable = (failure: { readonly _tag: string; readonly message: string }) =>
  Effect.logWarning("The store of hops did not answer", failure._tag, failure.message).pipe(
    Effect.andThen(Effect.fail(new Unavailable({ what: "The store of hops" })))
  )

/** Claims a step inside a transaction. */
const claimIn = (key: HopKey, message: Parameters<HopStore["Service"]["claim"]>[1], lease: number) =>
  Effect.fnUntraced(function* (tx: Transaction): Effect.fn.Return<Claim, SqlFailed | Forked> {
    const { digest, incoming, index } = message
    const slip = [key.tenantId, key.correlationId]
    const [, , [row] = [], [head] = [], [cancelled] = []] = yield* tx.run([
      {
        sql: `insert into tenon_slips.hops (tenant_id, correlation_id, step, phase, digest, status, due_at)
          values ($1, $2, $3, $4, $5, 'claimed', '-infinity') on conflict do nothing`,
        params: [...keyOf(key), digest]
      },
      {
        sql: `insert into tenon_slips.heads (tenant_id, correlation_id, place, digest)
          select $1, $2, $3::bigint, $4 where $3::bigint is not null on conflict do nothing`,
        params: [...slip, index ?? null, digest]
      },
      { sql: select, params: keyOf(key) },
      {
        sql: "select digest from tenon_slips.heads where tenant_id = $1 and correlation_id = $2 and place = $3",
        params: [...slip, index ?? -1]
      },
      {
        sql: "select cancelled_by from tenon_slips.slips where tenant_id = $1 and correlation_id = $2",
        params: slip
      }
    ])
    if (row === undefined) return yield* Effect.die(new Error("the row that was inserted is not there"))
    if (row["digest"] !== digest) {
      return yield* Effect.fail(new Forked(`another message for step ${key.step} was accepted before`))
    }
    if (head !== undefined && head["digest"] !== digest) {
      return yield* Effect.fail(new Forked(`another entry ${index} of this log was accepted before`))
    }
    if (row["status"] === "done") return { _tag: "Done", outgoing: messageOf(row) }
    if (row["status"] === "halted") return { _tag: "Parked" }
    if (row["early"] === true) {
      if (row["status"] === "claimed") {
        yield* tx.commit([
          {
            sql: `update tenon_slips.hops set queue = $5, message_id = $6, body = $7::bytea where ${where}`,
            params: [...keyOf(key), ...columnsOf(incoming)]
          }
        ])
      }
      return { _tag: "Parked" }
    }
    yield* tx.commit([
      {
        sql: `update tenon_slips.hops set status = 'claimed', token = token + 1, claims = claims + 1,
          due_at = ${now} + make_interval(secs => $5) where ${where}`,
        params: [...keyOf(key), seconds(lease)]
      }
    ])
    return {
      _tag: "Claimed",
      token: Number(row["token"]) + 1,
      claims: Number(row["claims"]) + 1,
      failures: Number(row["failures"]),
      skippedBy: textOrNothing(row["skipped_by"]),
      cancelledBy: textOrNothing(cancelled?.["cancelled_by"])
    }
  })

/** Remembers hops in the tables of `HopStoreSqlTables`. */
export const layer = (options: { readonly relayRole: string }): Layer.Layer<HopStore, never, Transactions> =>
  Layer.effect(
    HopStore,
    Effect.gen(function* () {
      const sql = yield* Transactions
      const one = (tenantId: string, text: string, params: ReadonlyArray<unknown>) =>
        sql.batch({ tenantId }, [{ sql: text, params }]).pipe(
          Effect.map(([rows = []]) => rows),
          Effect.catch(unavailable)
        )
      /** One statement that must change the row of a claim. */
      const held = Effect.fnUntraced(function* ({ key, token }: Held, text: string, params: ReadonlyArray<unknown>) {
        const rows = yield* one(key.tenantId, text, [...keyOf(key), token, ...params])
        if (rows.length === 0) return yield* new Fenced({ key: keyText(key) })
      })
      const setAside = (
        status: "waiting" | "halted" | "suspended",
        claim: Held,
        { incoming, delay, event }: { incoming: Outgoing; delay: number | undefined; event: SlipEvent },
        failed = true
      ) =>
        held(
          claim,
          `with held as (update tenon_slips.hops set status = $6,
            due_at = case when $7::float8 is null then 'infinity' else ${now} + make_interval(secs => $7::float8) end,
            failures = failures + $16::int, claims = claims - 1 + $16::int,
            queue = $8, message_id = $9, body = $10::bytea where ${isHeld} returning 1),
          stands as (update tenon_slips.slips set status = $6, updated_at = $15
            where $6 in ('halted', 'suspended') and tenant_id = $1 and correlation_id = $2
              and exists (select from held)),
          told as (${insertEvent(11)})
          select from held`,
          [
            status,
            delay === undefined ? null : seconds(delay),
            ...columnsOf(incoming),
            ...eventParams(event),
            failed ? 1 : 0
          ]
        )

      return HopStore.of({
        claim: (key, message, lease) =>
          sql
            .transaction({ tenantId: key.tenantId }, claimIn(key, message, lease))
            .pipe(
              Effect.catch((failure) =>
                failure instanceof Forked
                  ? Effect.succeed<Claim>({ _tag: "Forked", detail: failure.detail })
                  : unavailable(failure)
              )
            ),
        renew: (claim, lease) =>
          held(
            claim,
            `update tenon_slips.hops set due_at = ${now} + make_interval(secs => $6) where ${isHeld} returning 1`,
            [seconds(lease)]
          ),
        release: (claim) =>
          held(
            claim,
            `update tenon_slips.hops set due_at = ${now}, claims = claims - 1 where ${isHeld} returning 1`,
            []
          ).pipe(Effect.catchTag("Fenced", () => Effect.void)),
        complete: (claim, { outgoing, event, slip }) =>
          held(
            claim,
            `with held as (update tenon_slips.hops set status = 'done', due_at = ${now}, published_at = ${now},
              queue = $6, message_id = $7, body = $8::bytea where ${isHeld} returning 1),
            told as (${insertEvent(9)}),
            stands as (${upsertSlip("from held", 14)})
            select from held`,
            [...columnsOf(outgoing), ...eventParams(event), ...slipParams(slip)]
          ),
        postpone: (claim, again) => setAside("waiting", claim, again, again.blameless !== true),
        halt: (claim, again) => setAside("halted", claim, { ...again, delay: 0 }),
        suspend: (claim, again) => setAside("suspended", claim, again, false),
        suspended: (tenantId, correlationId) =>
          one(
            tenantId,
            `select tenant_id, correlation_id, step, phase, queue, message_id, body from tenon_slips.hops
              where tenant_id = $1 and correlation_id = $2 and status = 'suspended'`,
            [tenantId, correlationId]
          ).pipe(Effect.map((rows) => rows.flatMap(pendingOf))),
        reauthorise: Effect.fnUntraced(function* (key, { digest, incoming, index }, event) {
          const rows = yield* one(
            key.tenantId,
            `with held as (update tenon_slips.hops set status = 'waiting', due_at = ${now}, digest = $5,
              queue = $6, message_id = $7, body = $8::bytea where ${where} and status = 'suspended' returning 1),
            head as (insert into tenon_slips.heads (tenant_id, correlation_id, place, digest)
              select $1, $2, $14::bigint, $5 from held where $14::bigint is not null on conflict do nothing),
            stands as (update tenon_slips.slips set status = 'executing', updated_at = $13
              where tenant_id = $1 and correlation_id = $2 and exists (select from held)),
            told as (${insertEvent(9)})
            select from held`,
            [...keyOf(key), digest, ...columnsOf(incoming), ...eventParams(event), index ?? null]
          )
          if (rows.length === 0) return yield* new NotHalted({ correlationId: key.correlationId })
        }),
        open: (slip, first, event) =>
          one(
            slip.tenantId,
            `with held as (insert into tenon_slips.hops (tenant_id, correlation_id, step, phase, digest, status, due_at,
              published_at, queue, message_id, body)
              values ($1, $2, $3, $4, '', 'done', ${now}, ${now}, $5, $6, $7::bytea) on conflict do nothing returning 1),
            told as (${insertEvent(8)}),
            stands as (${upsertSlip("from held", 13)})
            select from held`,
            [...keyOf(openingKey(slip)), ...columnsOf(first), ...eventParams(event), ...slipParams(slip)]
          ).pipe(Effect.map((rows) => rows.length === 1)),
        dispatched: (key, id) =>
          one(
            key.tenantId,
            `update tenon_slips.hops set queue = null, message_id = null, body = null where ${where} and status = 'done'
              and message_id = $5`,
            [...keyOf(key), id]
          ).pipe(Effect.asVoid),
        pending: (limit, grace) =>
          sql
            .batch({ tenantId: null, role: options.relayRole }, [
              {
                sql: `with due as (
                  select tenant_id, correlation_id, step, phase from tenon_slips.hops
                  where body is not null and status <> 'halted' and greatest(due_at, published_at) <= ${now}
                    and due_at <= ${now} and published_at <= ${now} - make_interval(secs => $2)
                  order by greatest(due_at, published_at) limit $1 for update skip locked)
                update tenon_slips.hops as h set published_at = ${now} from due as d
                where h.tenant_id = d.tenant_id and h.correlation_id = d.correlation_id and h.step = d.step
                  and h.phase = d.phase
                returning h.tenant_id, h.correlation_id, h.step, h.phase, h.queue, h.message_id, h.body`,
                params: [limit, seconds(grace)]
              }
            ])
            .pipe(
              Effect.map(([rows = []]) => rows.flatMap(pendingOf)),
              Effect.catch(unavailable)
            ),
        resume: Effect.fnUntraced(function* (tenantId, correlationId, skippedBy) {
          const rows = yield* one(
            tenantId,
            `with resumed as (update tenon_slips.hops set status = 'waiting', due_at = ${now}, failures = 0,
              skipped_by = $3 where tenant_id = $1 and correlation_id = $2 and status in ('halted', 'suspended')
              returning phase),
            stands as (update tenon_slips.slips set status = case resumed.phase when 'execute' then 'executing'
              else 'compensating' end from resumed where tenant_id = $1 and correlation_id = $2)
            select from resumed`,
            [tenantId, correlationId, skippedBy ?? null]
          )
          if (rows.length === 0) return yield* new NotHalted({ correlationId })
        }),
        cancel: (tenantId, correlationId, by) =>
          one(
            tenantId,
            `with woken as (update tenon_slips.hops set due_at = ${now} where tenant_id = $1 and correlation_id = $2
              and status = 'suspended')
            update tenon_slips.slips set cancelled_by = $3 where tenant_id = $1 and correlation_id = $2`,
            [tenantId, correlationId, by]
          ).pipe(Effect.asVoid),
        slip: (tenantId, correlationId) =>
          one(tenantId, `${selectSlip} and correlation_id = $2`, [tenantId, correlationId]).pipe(
            Effect.map(([row]) => (row === undefined ? undefined : slipOf(tenantId)(row)))
          ),
        slips: (tenantId, { activity, after, limit = 100, since, status, until }) =>
          one(tenantId, pageOfSlips, [
            tenantId,
            status ?? null,
            activity ?? null,
            since ?? null,
            until ?? null,
            after?.updatedAt ?? null,
            after?.correlationId ?? null,
            limit
          ]).pipe(Effect.map((rows) => rows.map(slipOf(tenantId)))),
        events: (tenantId, correlationId) =>
          one(
            tenantId,
            `select seq, type, step, activity, detail, at from tenon_slips.events
              where tenant_id = $1 and correlation_id = $2 order by seq`,
            [tenantId, correlationId]
          ).pipe(
            Effect.map((rows) =>
              rows.map((row): RecordedEvent => ({
                seq: Number(row["seq"]),
                type: row["type"] as SlipEvent["type"],
                step: String(row["step"]),
                activity: String(row["activity"]),
                detail: String(row["detail"]),
                at: Number(row["at"])
              }))
            )
          )
      })
    })
  )

/** Ends the transaction of a claim, so that nothing of a forked message is kept. */
class Forked {
  readonly _tag = "Forked"
  readonly detail: string
  readonly message = "forked"
  constructor(detail: string) {
    this.detail = detail
  }
}
