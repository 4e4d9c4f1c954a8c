/** Relays over one outbox, as of several processes, each of which can die; and deliveries that a test makes up. */
import * as OutboxRelay from "@tenon/core/OutboxRelay"
import { Runtime } from "@tenon/core/Runtime"
import { Outbox } from "@tenon/core/UnitOfWork"
import * as OutboxRows from "@tenon/sql/OutboxRows"
import * as OutboxSql from "@tenon/sql/OutboxSql"
import * as ReceiptsSql from "@tenon/sql/ReceiptsSql"
import { Unavailable } from "@tenon/sql/SqlFailure"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Scratch from "./ScratchDatabase.ts"
import * as StoreDatabase from "./StoreDatabase.ts"

/** A delivery to be. */
export interface Sent {
  readonly tenant: string
  readonly object: string
  readonly delayMillis?: number
  readonly attempts?: number
}

const insert = (sent: ReadonlyArray<Sent>) => {
  const rows = JSON.stringify(sent.map((each) => ({ delayMillis: 0, attempts: 0, ...each })))
  return (
    "insert into tenon.outbox (tenant_id, kind, object, actor, body, due_at, attempts, standing) " +
    "select r->>'tenant', 'delivery', 'Topic/' || (r->>'object'), " +
    "jsonb_build_object('id', 'u', 'tenantId', r->>'tenant', 'kind', 'user', 'roles', '[]'::jsonb), " +
    "jsonb_build_object('_tag', 'Send', 'resource', 'Topic', 'action', 'post', 'key', r->>'object', 'input', null, 'delayMillis', 0), " +
    "clock_timestamp() + make_interval(secs => (r->>'delayMillis')::int / 1000.0), (r->>'attempts')::int, " +
    "case when (r->>'delayMillis')::int > 0 then 'later' else 'line' end " +
    `from jsonb_array_elements('${rows}') with ordinality as s (r, n) order by n returning id::text as id`
  )
}

/** Puts deliveries into the outbox, in one commit. Answers with their ids. */
export const commit = (...sent: ReadonlyArray<Sent>) =>
  Effect.map(StoreDatabase.admin(insert(sent)), (found) => found.map(({ id }) => String(id)))

/** The same for several commits, one after the other. */
export const commits = (...all: ReadonlyArray<ReadonlyArray<Sent>>) => StoreDatabase.admin(...all.map(insert))

/** How a relay delivers. */
export type Deliver = (pending: {
  /** Its row's. */
  readonly id: string
  /** As the runtime knows it. */
  readonly once: string
  readonly tenant: string
  readonly object: string
}) => Effect.Effect<void>

/** A relay as of a process of its own. */
export interface Relay {
  readonly outbox: Outbox["Service"]
  /** What it was answered: how often, and with how many rows. */
  readonly answers: { count: number; rows: number }
  /** Tells it that something was committed, as a commit of its process does. Else it finds out within a second. */
  readonly hear: Effect.Effect<void>
  /** Ends it with no word to the database. Answers with the ids of what it had claimed and not removed. */
  readonly die: Effect.Effect<ReadonlyArray<string>>
}

/** Which relay has claimed a delivery last. */
const owners = new Map<string, object>()

/** A connection that a process has, until that dies. */
const connection = Effect.gen(function* () {
  const sql = yield* TenantSql.TenantSql
  const answers = { count: 0, rows: 0 }
  let isAlive = true
  const watched = TenantSql.TenantSql.of({
    ...sql,
    batch: (scope, statements) =>
      Effect.suspend(() => (isAlive ? sql.batch(scope, statements) : Effect.fail(dead))).pipe(
        Effect.tap((all) =>
          Effect.sync(() => {
            answers.count++
            for (const row of all.flat()) {
              answers.rows++
              if (row["free"] === true) owners.set(String(row["id"]), answers)
            }
          })
        ),
        // What is under way when the process dies still happens.
        Effect.uninterruptible
      )
  })
  const cut = Effect.sync(() => {
    isAlive = false
  })
  return { sql: watched, answers, cut }
})

const dead = new Unavailable({ message: "the process is dead" })

/** Starts a relay, for the scope. */
export const relay = (deliver: Deliver) =>
  Effect.gen(function* () {
    const { name, names } = yield* StoreDatabase.StoreDatabase
    const scope = yield* Scope.fork(yield* Effect.scope)
    const tenantSql = TenantSql.layer({ url: Redacted.make(Scratch.urlOf(name)), role: names.appRole })
    const pool = yield* Layer.buildWithScope(Layer.fresh(tenantSql), scope)
    const { answers, cut, sql } = yield* Effect.provide(connection, pool)
    const runtime = Runtime.of({
      deliver: (actor, delivery, id) =>
        deliver({
          id: id.slice("outbox-".length).replace(/@.*/, ""),
          once: id,
          tenant: actor.tenantId,
          object: delivery.key
        }),
      invoke: () => Effect.die("nothing is asked for"),
      forget: () => Effect.void,
      isAlive: () => Effect.succeed(false),
      cancel: () => Effect.void,
      resume: () => Effect.void
    })
    const layer = OutboxRelay.layer.pipe(
      Layer.provideMerge(Layer.merge(OutboxSql.layer(names), ReceiptsSql.layer(names))),
      Layer.provide(Layer.succeed(TenantSql.TenantSql, sql)),
      Layer.provide(Layer.succeed(Runtime, runtime))
    )
    const built = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    const die = Effect.gen(function* () {
      yield* cut
      yield* Scope.close(scope, Exit.void)
      return [...owners].filter(([, owner]) => owner === answers).map(([id]) => id)
    })
    const hear = Effect.sync(() => void OutboxRows.signalOf(sql).openUnsafe())
    return { outbox: Context.get(built, Outbox), answers, hear, die } satisfies Relay
  }).pipe(Effect.orDie)

/** What leases that have ended leave behind. */
export const expire = (ids: ReadonlyArray<string>) =>
  StoreDatabase.admin(
    "update tenon.outbox set due_at = clock_timestamp() " +
      `where id = any ('{${ids.join()}}') and standing = 'line' and attempts > 0 and due_at < 'infinity'`
  )

/** How many rows stand how, but for what is set aside. */
export const standings = Effect.map(
  StoreDatabase.admin(
    "select standing, count(*)::int as n from tenon.outbox where standing <> 'aside' group by standing order by standing"
  ),
  (rows): { readonly [standing: string]: unknown } =>
    Object.fromEntries(rows.map(({ n, standing }) => [String(standing), n]))
)
