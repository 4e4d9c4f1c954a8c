/** How deliveries and events come into `tenon.outbox`: in the transaction that they follow from. */
import type { Actor } from "@tenon/core/Actor"
import { type Delivery, delayOf } from "@tenon/core/Invocation"
import type { OutboxEvent, Work } from "@tenon/core/UnitOfWork"
import * as Latch from "effect/Latch"
import type * as Schema from "effect/Schema"
import * as SqlValue from "./SqlValue.ts"
import type { Statement, TenantSql } from "./TenantSql.ts"

/** A row to add. */
export interface Added {
  readonly kind: "delivery" | "event"
  /** What its order is kept for. */
  readonly object: string
  readonly body: Schema.Json
  readonly delayMillis: number
}

/**
 * A delivery as a row; in order among those to the same object. The outbox keeps its delay, and where it comes from.
 */
export const delivery = (of: Delivery, trace: string | undefined): Added => ({
  kind: "delivery",
  object: `${of._tag === "Send" ? of.resource : of.workflow}/${of.key}`,
  body: { ...of, delayMillis: 0, ...(trace === undefined ? {} : { trace }) },
  delayMillis: delayOf(of)
})

/** An event as a row; in order among those of the same object. */
export const event = ({ self }: Work, { delayMillis = 0, name, payload }: OutboxEvent): Added => ({
  kind: "event",
  object: `${self.resource.name}/${self.key}`,
  body: { name, payload },
  delayMillis
})

/** The columns that a row's delay decides. */
export const timing = "due_at, standing"

/** The same for a row of `r`. The clock's time and not the transaction's, which began before it had its lock. */
export const timed =
  "clock_timestamp() + make_interval(secs => r.delay / 1000.0), case when r.delay > 0 then 'later' else 'line' end"

/** Adds rows in order. */
export const add = (actor: Actor, rows: ReadonlyArray<Added>): Statement => ({
  sql:
    `insert into tenon.outbox (tenant_id, kind, object, actor, body, ${timing}) ` +
    `select $1, r.kind, r.object, $2::jsonb, r.body, ${timed} ` +
    "from unnest($3::text[], $4::text[], $5::jsonb[], $6::bigint[]) " +
    "with ordinality as r (kind, object, body, delay, n) order by r.n",
  params: [
    actor.tenantId,
    SqlValue.json(actor),
    rows.map(({ kind }) => kind),
    rows.map(({ object }) => object),
    rows.map(({ body }) => SqlValue.json(body)),
    rows.map(({ delayMillis }) => delayMillis)
  ]
})

/** Adds one delivery, once for its id. */
export const accept = (actor: Actor, of: Delivery, id: string, trace: string | undefined): Statement => {
  const { body, delayMillis, kind, object } = delivery(of, trace)
  return {
    sql:
      "with fresh as (insert into tenon.receipts (tenant_id, key, action, fingerprint, outcome) " +
      "values ($1, $2, 'accept', '', 'null') on conflict do nothing returning 1) " +
      `insert into tenon.outbox (tenant_id, kind, object, actor, body, ${timing}) ` +
      `select $1, $3, $4, $5::jsonb, $6::jsonb, ${timed} from (select $7::bigint as delay) as r, fresh`,
    params: [actor.tenantId, `accept:${id}`, kind, object, SqlValue.json(actor), SqlValue.json(body), delayMillis]
  }
}

const signals = new WeakMap<TenantSql["Service"], Latch.Latch>()

/** Opened by every commit over this database that added deliveries in this process. */
export const signalOf = (sql: TenantSql["Service"]): Latch.Latch => {
  const found = signals.get(sql) ?? Latch.makeUnsafe(true)
  signals.set(sql, found)
  return found
}
