/**
 * The three services of the order example over one database, as they would be over three: each knows an idempotency
 * key that it has seen, so a step that is done again does nothing again.
 */
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { CardDeclined, Inventory, Notifier, NotifierDown, Payments, StockShort } from "./Order.ts"

const schema = "order_example"

/** Their tables. `outages` says how many more notifications fail. */
const ddl = [
  `create schema if not exists ${schema}`,
  `create table if not exists ${schema}.charges
    (key text primary key, transaction_id text not null, amount double precision not null)`,
  `create table if not exists ${schema}.refunds (key text primary key, transaction_id text not null)`,
  `create table if not exists ${schema}.stock (item_id text primary key, quantity integer not null check (quantity >= 0))`,
  `create table if not exists ${schema}.movements (key text primary key, item_id text not null, quantity integer not null)`,
  `create table if not exists ${schema}.notices (key text primary key, text text not null)`,
  `create table if not exists ${schema}.outages (service text primary key, failures integer not null)`
]

/** Creates what is missing, one process at a time. */
export const prepare = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`select pg_advisory_xact_lock(hashtext(${schema}))`
      yield* Effect.forEach(ddl, (statement) => sql.unsafe(statement), { discard: true })
    })
  )
})

const payments = Effect.map(SqlClient.SqlClient, (sql) =>
  Payments.of({
    charge: Effect.fnUntraced(function* (key, amount, cardToken) {
      if (cardToken === "stolen") return yield* new CardDeclined({ reason: "reported stolen" })
      const [charge] = yield* sql<{ readonly transactionId: string }>`
        insert into order_example.charges (key, transaction_id, amount) values (${key}, gen_random_uuid()::text, ${amount})
        on conflict (key) do update set key = excluded.key returning transaction_id as "transactionId"`.pipe(
        Effect.orDie
      )
      return charge?.transactionId ?? ""
    }),
    refund: (key, transactionId) =>
      sql`insert into order_example.refunds (key, transaction_id) values (${key}, ${transactionId})
        on conflict (key) do nothing`.pipe(Effect.orDie, Effect.asVoid)
  })
)

/** Moves stock once per key; gives what is left, or nothing where that would be below zero. */
const move = (key: string, itemId: string, quantity: number) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly left: number }>`
      with known as (select 1 from order_example.movements where key = ${key}),
      moved as (update order_example.stock set quantity = quantity + ${quantity}
        where item_id = ${itemId} and quantity + ${quantity} >= 0 and not exists (select from known)
        returning quantity),
      noted as (insert into order_example.movements (key, item_id, quantity)
        select ${key}, ${itemId}, ${quantity} from moved)
      select quantity as left from moved
      union all select 0 from known`
  ).pipe(
    Effect.map(([row]) => row?.left),
    Effect.orDie
  )

const inventory = Effect.map(SqlClient.SqlClient, (sql) => {
  const on = Effect.provideService(SqlClient.SqlClient, sql)
  return Inventory.of({
    take: Effect.fnUntraced(function* (key, itemId, quantity) {
      if ((yield* on(move(key, itemId, -quantity))) !== undefined) return
      const [row] = yield* sql<{ readonly quantity: number }>`
        select quantity from order_example.stock where item_id = ${itemId}`.pipe(Effect.orDie)
      return yield* new StockShort({ itemId, left: row?.quantity ?? 0 })
    }),
    putBack: (key, itemId, quantity) => Effect.asVoid(on(move(key, itemId, quantity)))
  })
})

const notifier = Effect.map(SqlClient.SqlClient, (sql) =>
  Notifier.of({
    send: Effect.fnUntraced(function* (key, customerId, text) {
      const down = yield* sql`update order_example.outages set failures = failures - 1
        where service = 'notifier' and failures > 0 returning 1`.pipe(Effect.orDie)
      if (down.length > 0) return yield* new NotifierDown()
      yield* sql`insert into order_example.notices (key, text) values (${key}, ${`${customerId}: ${text}`})
        on conflict (key) do nothing`.pipe(Effect.orDie)
    })
  })
)

/** The services over the database that `DATABASE_URL` names. */
export const layerConfig = Layer.mergeAll(
  Layer.effect(Payments, payments),
  Layer.effect(Inventory, inventory),
  Layer.effect(Notifier, notifier),
  Layer.effectDiscard(prepare)
).pipe(Layer.provide(AdminSql.layerConfig))
