/**
 * Queues on PostgreSQL, in the framework's tables `tenon.queue_messages` and `tenon.dead_letters`. A message that is
 * taken stays in its row under a lease, which its subscriber keeps extending; where that stops, the next one takes the
 * message with a higher token, and whatever the first still wants to say about it is ignored. Subscribers of one queue
 * never wait for each other (`skip locked`).
 *
 * Publishing wakes subscribers by `notify`, a few milliseconds after the commit and many publications at once, since
 * each transaction that notifies takes a lock on the whole database. A wake-up that is lost costs one `poll`.
 */
import * as Parting from "@tenon/core/Parting"
import * as Storable from "@tenon/core/Storable"
import * as Together from "@tenon/core/Together"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as DeadLetters from "./DeadLetters.ts"
import * as InFlight from "./InFlight.ts"
import { bodyOf, type Row, type Statement, Transactions } from "./Transactions.ts"
import { type DeadLetter, type Delivery, type Selection, Transport, TransportError } from "./Transport.ts"
import * as Wakeups from "./TransportSqlWakeups.ts"

/**
 * Hears PostgreSQL's notifications: calls back with each payload on a channel, and with undefined whenever it has begun
 * to listen. `Notifications` of `@tenon/sql` provides it as it is.
 */
export class Listener extends Context.Service<
  Listener,
  {
    readonly listen: (
      channel: string,
      hear: (payload: string | undefined) => Effect.Effect<void>
    ) => Effect.Effect<never>
  }
>()("@tenon/messaging/TransportSql/Listener") {}

/** How the queues are used. */
export interface Options {
  /** The role that may work on the queues. */
  readonly relayRole: string
  /** A message whose subscriber gives no sign of life for this long goes to another. Default 30 seconds. */
  readonly visibility?: Duration.Input
  /** How often a subscriber looks without having been woken. Default one second. */
  readonly poll?: Duration.Input
}

const now = "statement_timestamp()"

const insert = `insert into tenon.queue_messages (queue, message_id, body, ready_at) values ($1, $2, $3, ${now})`

const take = `with next as (
    select id from tenon.queue_messages where queue = $1 and ready_at <= ${now}
    order by ready_at, id limit $2 for update skip locked)
  update tenon.queue_messages as m
  set ready_at = ${now} + make_interval(secs => $3), token = token + 1, deliveries = deliveries + 1
  from next where m.id = next.id
  returning m.id::text, m.token::text, m.message_id, m.body, m.deliveries::int`

const publishIfMade = `insert into tenon.queue_messages (queue, message_id, body, ready_at)
  select $1, $2, $3::bytea, ${now} where current_setting($4, true) = 'made'`

/** By their ids, so that an index finds them however long the queue is. */
const those = `m.id = any($1::bigint[])
  and exists (select from unnest($1::bigint[], $2::bigint[]) as h (id, token) where h.id = m.id and h.token = m.token)`
/** What is locked is being finished or taken: waiting for it could only lead to a deadlock. */
const extend = `with held as (select m.id from tenon.queue_messages as m where ${those} for update of m skip locked)
  update tenon.queue_messages as m set ready_at = ${now} + make_interval(secs => $3)
  where m.id = any($1::bigint[]) and m.id in (select id from held)`

const mine = "id = $1::bigint and token = $2::bigint"
const finish = `delete from tenon.queue_messages as m where ${those}`
const putBack = `update tenon.queue_messages set ready_at = ${now}, deliveries = deliveries - $3::bigint where ${mine}`
const setAside = `with gone as (delete from tenon.queue_messages where ${mine} returning queue, message_id, body)
  insert into tenon.dead_letters (queue, message_id, body, reason, detail, fingerprint)
  select queue, message_id, body, $3, $4, $5 from gone`

const letters = `select id::text, queue, message_id, body, reason, detail, fingerprint,
    (extract(epoch from created_at) * 1000)::bigint::text as at
  from tenon.dead_letters where queue = $1 order by id limit $2`
const meant = "queue = $1 and ($2::bigint is null or id = $2::bigint) and ($3::text is null or fingerprint = $3)"
const driveBack = `with back as (delete from tenon.dead_letters where ${meant} returning queue, message_id, body),
  put as (insert into tenon.queue_messages (queue, message_id, body, ready_at)
    select queue, message_id, body, ${now} from back)
  select count(*)::int as count from back`
const throwAway = `with gone as (delete from tenon.dead_letters where ${meant} returning 1)
  select count(*)::int as count from gone`

/** The parameters of `meant`; none where a letter cannot be one of ours. */
const meaning = (queue: string, selection: Selection): ReadonlyArray<unknown> | undefined => {
  if (selection === "all") return [queue, null, null]
  if ("fingerprint" in selection) return [queue, null, selection.fingerprint]
  return /^[0-9]{1,18}$/.test(selection.letter) ? [queue, selection.letter, null] : undefined
}

const letterOf = (row: Row): DeadLetter => ({
  letter: String(row["id"]),
  queue: String(row["queue"]),
  id: String(row["message_id"]),
  body: bodyOf(row),
  reason: String(row["reason"]),
  detail: String(row["detail"]),
  fingerprint: String(row["fingerprint"]),
  at: Number(row["at"])
})

/** Uses the queues until the scope closes. */
export const layer = (options: Options): Layer.Layer<Transport, never, Transactions | Listener> =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const sql = yield* Transactions
      const scope = { tenantId: null, role: options.relayRole }
      const visibility = Duration.toMillis(Duration.fromInputUnsafe(options.visibility ?? "30 seconds"))
      const poll = Duration.fromInputUnsafe(options.poll ?? "1 second")
      /** For what may be lost, since the message comes again then. */
      const sendLightly = (operation: string, statement: Statement) =>
        sql.batch({ ...scope, asynchronousCommit: true }, [statement]).pipe(
          Effect.map(([rows = []]) => rows),
          Effect.mapError(({ message }) => new TransportError({ operation, reason: message }))
        )
      const send = (operation: string, ...statements: ReadonlyArray<Statement>) =>
        sql.batch(scope, statements).pipe(
          Effect.map(([rows = []]) => rows),
          Effect.mapError(({ message }) => new TransportError({ operation, reason: message }))
        )
      const acknowledge = yield* Together.make({
        write: (held: ReadonlyArray<readonly [id: string, token: string]>) =>
          sendLightly("acknowledge", {
            sql: finish,
            params: [held.map(([id]) => id), held.map(([, token]) => token)]
          })
      })
      const wakeups = yield* Wakeups.make(yield* Listener, (statement) => Effect.ignore(send("notify", statement)))

      const subscribe: Transport["Service"]["subscribe"] = Effect.fnUntraced(function* (queue, handler, given) {
        const settings = InFlight.settings(given)
        const inFlight = yield* InFlight.make(handler, settings)
        /** The tokens of the messages in hand, by id. */
        const inHand = new Map<string, string>()
        /** Whether the last look left something that there was no place for. What comes later wakes. */
        let mayHaveMore = true
        let isOver = false
        const alarm = yield* wakeups.subscribe(queue)
        // Only a failure to listen in the first place is an error: this is the first look.
        yield* send("subscribe", { sql: letters, params: [queue, 0] })

        const settle = Effect.fnUntraced(function* (id: string, token: string, ending: InFlight.Ending) {
          const mine = [id, token]
          if (ending._tag === "Ack") return yield* acknowledge([id, token])
          if (ending._tag === "Requeue") return yield* send("put back", { sql: putBack, params: [...mine, 0] })
          if (ending._tag === "GiveBack") return yield* send("give back", { sql: putBack, params: [...mine, 1] })
          const [reason, detail] = [Storable.clean(ending.reason), Storable.clean(ending.detail)]
          const fingerprint = yield* DeadLetters.fingerprint(queue, reason, detail)
          return yield* send("set aside", { sql: setAside, params: [...mine, reason, detail, fingerprint] })
        })

        const start = (row: Row) => {
          const [id, token] = [String(row["id"]), String(row["token"])]
          const delivery: Delivery = {
            queue,
            id: String(row["message_id"]),
            body: bodyOf(row),
            attempt: Number(row["deliveries"])
          }
          inHand.set(id, token)
          inFlight.start(delivery, (ending) =>
            settle(id, token, ending).pipe(
              Effect.andThen(ending._tag === "Ack" ? Effect.void : wakeups.wake(queue)),
              Effect.catch((error) => Effect.logWarning("A message was not settled and comes again", error.message)),
              Effect.ensuring(
                Effect.sync(() => {
                  // After a lease that was lost, the message may be in hand a second time.
                  if (inHand.get(id) === token) inHand.delete(id)
                  if (mayHaveMore) alarm.ring()
                })
              )
            )
          )
        }

        /** Takes as many as there are places for; true where there may be more. */
        const look = Effect.gen(function* () {
          const places = settings.prefetch - inHand.size
          mayHaveMore = true
          if (places <= 0) return false
          const rows = yield* sendLightly("take", { sql: take, params: [queue, places, visibility / 1_000] })
          // What was taken too late comes again once its lease is over.
          if (isOver) return false
          mayHaveMore = rows.length === places
          for (const row of rows) start(row)
          return rows.length === places && inHand.size < settings.prefetch
        })

        const heartbeat = Effect.gen(function* () {
          yield* Effect.sleep(visibility / 3)
          if (inHand.size === 0) return
          const held = [[...inHand.keys()], [...inHand.values()]]
          yield* sendLightly("extend", { sql: extend, params: [...held, visibility / 1_000] })
        }).pipe(Effect.ignore)

        yield* heartbeat.pipe(Effect.forever, Effect.forkScoped)
        yield* Effect.addFinalizer(() => inFlight.drain)
        const looking = Effect.uninterruptible(look).pipe(
          Effect.catch(() => Effect.as(Effect.sleep("200 millis"), false)),
          Effect.flatMap((more) => (more ? Effect.void : alarm.wait(poll))),
          Effect.forever
        )
        yield* Effect.acquireRelease(Effect.forkDetach(looking), (fiber) =>
          Effect.andThen(
            Parting.say(Fiber.interrupt(fiber)),
            Effect.sync(() => void (isOver = true))
          )
        )
      })

      const change = (operation: string, text: string) => (queue: string, selection: Selection) => {
        const params = meaning(queue, selection)
        return params === undefined
          ? Effect.succeed(0)
          : Effect.map(send(operation, { sql: text, params }), ([row]) => Number(row?.["count"] ?? 0))
      }
      const redrive = change("redrive", driveBack)

      return Transport.of({
        publish: ({ body, id, queue }) =>
          Effect.andThen(
            send("publish", { sql: insert, params: [queue, Storable.clean(id), body] }),
            wakeups.wake(queue)
          ),
        subscribe,
        // A queue is no more than the messages in it.
        exists: () => Effect.succeed(true),
        deadLetters: (queue, limit = 100) =>
          Effect.map(send("read dead letters", { sql: letters, params: [queue, limit] }), (rows) => rows.map(letterOf)),
        redrive: (queue, selection) => Effect.tap(redrive(queue, selection), () => wakeups.wake(queue)),
        discard: change("discard", throwAway),
        joint: {
          transactions: sql,
          publishing: ({ body, id, queue }, setting) => [
            { sql: "select set_config('role', $1, true)", params: [options.relayRole] },
            { sql: publishIfMade, params: [queue, Storable.clean(id), body, setting] }
          ],
          published: ({ queue }) => wakeups.wake(queue)
        }
      })
    })
  )
