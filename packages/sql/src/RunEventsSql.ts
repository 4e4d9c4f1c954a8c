/**
 * The events of runs in `tenon.run_events`, under the tenant's own row security. A run's row in `tenon.run_event_logs`
 * is held while events are added, so numbers are given in the order of commits and without gaps: whoever has read up to
 * a number has missed nothing before it.
 */
import type { Actor } from "@tenon/core/Actor"
import { Unavailable } from "@tenon/core/Failure"
import * as RunEventBuffer from "@tenon/core/RunEventBuffer"
import { type Draft, maxKept, RunEvent, RunEvents } from "@tenon/core/RunEvents"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as RowSql from "./RowSql.ts"
import * as SqlValue from "./SqlValue.ts"
import { type Rows, type Statement, TenantSql } from "./TenantSql.ts"

/** How long events are kept after their run's last one. */
const keptFor = "7 days"

/** Bytes of events that are read at once. */
const maxBytes = 1_048_576

/** How many events are deleted at most when a run begins, so that none waits for it. */
const swept = 5_000

const lock =
  "insert into tenon.run_event_logs (tenant_id, run, last_seq) values ($1, $2, 0) " +
  "on conflict (tenant_id, run) do update set updated_at = clock_timestamp() returning last_seq::text as last_seq"

const findKeys = "select key from tenon.run_events where tenant_id = $1 and run = $2 and key = any($3)"

const insert =
  "insert into tenon.run_events (tenant_id, run, seq, key, type, data) " +
  "select $1, $2, $3::bigint + e.n, e.key, e.type, e.data " +
  "from unnest($4::text[], $5::text[], $6::jsonb[]) with ordinality as e (key, type, data, n)"

const advance = "update tenon.run_event_logs set last_seq = $3 where tenant_id = $1 and run = $2"

const prune = "delete from tenon.run_events where tenant_id = $1 and run = $2 and seq <= $3"

/** Old runs of the tenant at hand: what each of its new runs clears away. */
const sweep =
  "with old as (select run from tenon.run_event_logs where tenant_id = $1 and updated_at < now() - $2::interval " +
  "order by updated_at limit 50 for update skip locked), " +
  "gone as (delete from tenon.run_events as e using (select e.run, e.seq from tenon.run_events as e " +
  "join old on old.run = e.run where e.tenant_id = $1 limit $3) as d " +
  "where e.tenant_id = $1 and e.run = d.run and e.seq = d.seq) " +
  "delete from tenon.run_event_logs as l using old where l.tenant_id = $1 and l.run = old.run " +
  "and not exists (select from tenon.run_events as e where e.tenant_id = $1 and e.run = l.run)"

const readEvents =
  "select e.seq::text as seq, e.type, e.data from tenon.run_events as e " +
  "where e.tenant_id = $1 and e.run = $2 and e.seq > $3 order by e.seq limit $4"

const bounds =
  "select l.last_seq::text as last, coalesce((select min(e.seq) from tenon.run_events as e " +
  "where e.tenant_id = $1 and e.run = $2), l.last_seq + 1)::text as first " +
  "from tenon.run_event_logs as l where l.tenant_id = $1 and l.run = $2"

const decodeEvents = Schema.decodeUnknownEffect(Schema.Array(RunEvent))

const scopeOf = (actor: Actor) => ({ tenantId: actor.tenantId, actorId: actor.id })

const unavailable = () => new Unavailable({ what: "The database" })

/** Keeps events in the database. */
export const layer: Layer.Layer<RunEvents, never, TenantSql> = Layer.effect(
  RunEvents,
  Effect.gen(function* () {
    const sql = yield* TenantSql

    const append: RunEventBuffer.Append = (actor, run, drafts) =>
      sql
        .transaction(scopeOf(actor), (tx) =>
          Effect.gen(function* () {
            const id = [actor.tenantId, run]
            const [locked, kept] = yield* tx.run([
              { sql: lock, params: id },
              { sql: findKeys, params: [...id, RunEventBuffer.keysOf(drafts)] }
            ])
            const last = numberIn(locked, "last_seq")
            const chosen = RunEventBuffer.chosen(drafts, new Set((kept ?? []).map((row) => String(row["key"]))))
            yield* tx.commit(additions(id, last, chosen))
          })
        )
        .pipe(Effect.mapError(unavailable))

    return RunEvents.of({
      ...(yield* RunEventBuffer.make(append)),
      read: (actor, run, after, limit) =>
        Effect.gen(function* () {
          const id = [actor.tenantId, run]
          // The bounds first: an event that is added in between is then found and not yet counted.
          const [edges, found = []] = yield* Effect.mapError(
            sql.batch(scopeOf(actor), [
              { sql: bounds, params: id },
              { sql: readEvents, params: [...id, after, limit], maxBytes }
            ]),
            unavailable
          )
          const { rows } = RowSql.fitting(found, limit)
          const events = yield* Effect.orDie(
            decodeEvents(rows.map(({ data, seq, type }) => ({ seq: Number(seq), type, data })))
          )
          const known = numberIn(edges, "last")
          return {
            events,
            first: Math.max(1, numberIn(edges, "first")),
            last: Math.max(known, events.at(-1)?.seq ?? 0)
          }
        })
    })
  })
)

const numberIn = (rows: Rows[number] | undefined, column: string): number => Number(rows?.[0]?.[column] ?? 0)

const additions = (id: ReadonlyArray<string>, last: number, drafts: ReadonlyArray<Draft>): ReadonlyArray<Statement> => {
  if (drafts.length === 0) return []
  const [tenantId] = id
  const next = last + drafts.length
  return [
    {
      sql: insert,
      params: [
        ...id,
        last,
        drafts.map(({ key }) => key ?? null),
        drafts.map(({ type }) => type),
        drafts.map(({ data }) => SqlValue.json(storable(data)))
      ]
    },
    { sql: advance, params: [...id, next] },
    // Now and then, since each time costs a look at the index.
    ...(Math.floor(next / 500) > Math.floor(last / 500) && next > maxKept
      ? [{ sql: prune, params: [...id, next - maxKept] }]
      : []),
    ...(last === 0 ? [{ sql: sweep, params: [tenantId ?? null, keptFor, swept] }] : [])
  ]
}

/** A model may say what no database keeps: NUL, and half of a surrogate pair where a token ends. */
const storable = (data: Draft["data"]): Schema.Json =>
  Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      typeof value === "string" ? value.replaceAll("\0", "\uFFFD").toWellFormed() : value
    ])
  )
