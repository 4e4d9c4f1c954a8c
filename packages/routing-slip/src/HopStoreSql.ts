/**
 * A hop store on PostgreSQL, in tenant transactions: whatever a worker stores, it stores under row security, and all of
 * it or nothing. Time is the database's. Its tables are the framework's own, made by `tenon migrate`. `Transactions` is
 * what it needs of the foundation.
 */
import { Unavailable } from "@tenon/core/Failure"
import * as Storable from "@tenon/core/Storable"
import { bodyOf, type Row, type Statement, type Transaction, Transactions } from "@tenon/messaging/Transactions"
import type { Outgoing, Transport } from "@tenon/messaging/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Arrival,
  type Claimant,
  type Completion,
  Fenced,
  type Further,
  type Held,
  type HopKey,
  HopStore,
  keyText,
  NotHalted,
  notSkipped,
  openingKey,
  type Pending,
  type RecordedEvent,
  type Release,
  type Skip,
  type SlipEvent,
  type SlipRecord,
  type SlipState,
  storeName
} from "./HopStore.ts"
import * as HopStoreSqlChange from "./HopStoreSqlChange.ts"
import * as HopStoreSqlMarks from "./HopStoreSqlMarks.ts"
import * as HopStoreSqlPurge from "./HopStoreSqlPurge.ts"
import { resumed, resuming } from "./HopStoreSqlResume.ts"
import {
  claimedNew,
  claimIn,
  claimNew,
  columnsOf,
  keyOf,
  lease,
  messageOf,
  NotTaken,
  now,
  showAgain,
  where
} from "./HopStoreSqlClaim.ts"

export { Transactions } from "@tenon/messaging/Transactions"

const seconds = (millis: number) => millis / 1_000

/** A condition of a claim: it is held and its token is the newest. */
const isHeld = `${where} and status = 'claimed' and token = $5`

/** What is parked has not been published since; the rest of what a row remembers was taken with the claim. */
const isParked = "h.published_at = '-infinity'"
const unlessParked = (column: string) => `${column} = case when ${isParked} then h.${column} end`
const forgetting = ["queue", "message_id", "body"].map((column) => `, ${unlessParked(column)}`).join("")

/** What is claimed when it is claimed the next time counts as uncertain; what waits does not. */
const unbegunNow = "status = case when h.status = 'claimed' then 'waiting' else h.status end"

/**
 * A claim that was lost with the database's last moments is written once more; where the step had been claimed before
 * and set aside, it is still as it was then, and is noted as uncertain, unless nothing was done.
 */
const releasing = ({ refused = false, unbegun = false }: Release = {}) => `insert into tenon.slip_hops as h
    (tenant_id, correlation_id, step, phase, digest, status, token, due_at, published_at)
  select $1, $2, $3, $4, $6, '${unbegun ? "waiting" : "claimed"}', $5, ${now}, '-infinity'
  where not exists (select from tenon.purged_slips where tenant_id = $1 and correlation_id = $2)
  on conflict (tenant_id, correlation_id, step, phase) do update
    set due_at = ${now}, ${unbegun ? unbegunNow : "uncertain = h.uncertain or h.status <> 'claimed'"},
      claims = h.claims - case when h.status = 'claimed' then 1 else 0 end${refused ? forgetting : ""},
      pending_at = case when h.body is null${refused ? ` or not ${isParked}` : ""} then null else ${now} end
    where h.status = 'claimed' and h.token = $5 or h.status in ('waiting', 'undoing', 'suspended') and h.token = $5 - 1`

/** The parameters of a statement in the making, after those that it begins with. */
class Params {
  readonly values: Array<unknown>
  constructor(...first: ReadonlyArray<unknown>) {
    this.values = [...first]
  }
  /** Adds values and gives their places, separated by commas. */
  readonly add = (...values: ReadonlyArray<unknown>): string =>
    values.map((value) => `$${this.place(value)}`).join(", ")

  /** A message's bytes are sent once. */
  private place(value: unknown): number {
    const known = value instanceof Uint8Array ? this.values.indexOf(value) : -1
    return known === -1 ? this.values.push(value) : known + 1
  }
}

/** Inserts an event where the statement before it, called `held`, changed a row. */
const insertEvent = ({ add }: Params, { type, step, activity, detail, at }: SlipEvent) =>
  `insert into tenon.slip_events (tenant_id, correlation_id, type, step, activity, detail, at)
    select $1, $2, ${add(type, step, activity, Storable.clean(detail))}, ${add(at)}::bigint from held`

/** What a slip shows is `halted` or `suspended` for as long as one of its steps is; beneath, it goes on. */
const upsertSlip = ({ add }: Params, { status, activity, updatedAt, body }: SlipRecord) =>
  `insert into tenon.slips as s (tenant_id, correlation_id, status, stands, activity, updated_at, body)
    select $1, $2, ${add(status, status, activity)}, ${add(updatedAt)}::bigint, ${add(body)}::bytea from held
    on conflict (tenant_id, correlation_id) do update set stands = excluded.stands, activity = excluded.activity,
      status = case when s.halted > 0 then s.status else excluded.stands end,
      updated_at = excluded.updated_at, body = excluded.body`

const insertFurther = ({ add }: Params, { delay, key, message }: Further) => {
  const due = `${now} + make_interval(secs => ${add(seconds(delay))})`
  return `insert into tenon.slip_hops (tenant_id, correlation_id, step, phase, digest, status, due_at, published_at,
      pending_at, queue, message_id, body)
    select $1, $2, ${add(key.step, key.phase)}, '', 'done', ${due}, ${delay > 0 ? "'-infinity'" : now}, ${due},
      ${add(message.queue, message.id)}, ${add(message.body)}::bytea from held on conflict do nothing`
}

/**
 * Ends a statement of which `held` says whether it has changed its row: with a row if so, and a setting that says so.
 */
const answering = ({ add }: Params, setting: string | undefined) =>
  setting === undefined ? "select from held" : `select set_config(${add(setting)}, 'made', true) from held`

const completing = (
  { key, token }: Held,
  { closes, event, further = [], outgoing, slip }: Completion,
  setting: string | undefined
): Statement => {
  const params = new Params(...keyOf(key), token, ...columnsOf(outgoing))
  const parts = [
    `held as (update tenon.slip_hops set status = 'done', due_at = ${now}, published_at = ${now},
      pending_at = case when $8::bytea is null then null else ${now} end, queue = $6, message_id = $7, body = $8::bytea
      where ${isHeld} returning 1)`,
    `told as (${insertEvent(params, event)})`,
    ...(slip === undefined ? [] : [`stands as (${upsertSlip(params, slip)})`]),
    ...further.map((each, index) => `branch${index} as (${insertFurther(params, each)})`),
    ...(closes === undefined
      ? []
      : [
          `closed as (insert into tenon.slip_cancellations (tenant_id, correlation_id, scope, cancelled_by)
            select $1, $2, ${params.add(closes)}, 'the gather' from held on conflict do nothing)`,
          // Its own step is the one that is held.
          `woken as (${wake(`phase = 'execute' and step <> $3 and starts_with(step, ${params.add(closes)})
            and exists (select from held)`)})`
        ])
  ]
  return { sql: `with ${parts.join(", ")} ${answering(params, setting)}`, params: params.values }
}

/** Two that begin one slip do not keep each other waiting, one that purges it does. */
const waitForPurge = (slip: SlipRecord): Statement => ({
  sql: `select from tenon.slip_hops where ${where} for key share`,
  params: keyOf(openingKey(slip))
})

/** What a slip that is called off does not wait for. */
const rests = `(status = 'suspended' or status = 'waiting' and phase = 'execute' and due_at > ${now})`

/** Has what rests come at once. What is claimed may be about to be set aside: that is waited for. */
const wake = (those: string) => `update tenon.slip_hops set
    due_at = case when ${rests} then ${now} else due_at end,
    pending_at = case when ${rests} then ${now} else pending_at end,
    published_at = case when ${rests} then '-infinity' else published_at end
  where tenant_id = $1 and correlation_id = $2 and status in ('claimed', 'suspended', 'waiting') and ${those}`

/** Has a step come at once that was set aside just now, where it has been called off. */
const wakeIfCalledOff = (key: HopKey): Statement => ({
  sql: `${wake("step = $3 and phase = $4")} and exists (select from tenon.slip_cancellations as c
    where c.tenant_id = $1 and c.correlation_id = $2 and starts_with($3, c.scope))`,
  params: keyOf(key)
})

/** `first` is what is still to be published. */
const opening = (
  slip: SlipRecord,
  first: Outgoing | undefined,
  event: SlipEvent,
  setting: string | undefined
): Statement => {
  const params = new Params(...keyOf(openingKey(slip)), ...columnsOf(first))
  const sql = `with held as (insert into tenon.slip_hops (tenant_id, correlation_id, step, phase, digest, status,
      due_at, published_at, pending_at, queue, message_id, body)
      select $1, $2, $3, $4, '', 'done', ${now}, ${now}, case when $7::bytea is null then null else ${now} end,
        $5, $6, $7::bytea
      where not exists (select from tenon.purged_slips where tenant_id = $1 and correlation_id = $2) on conflict do nothing returning 1),
    told as (${insertEvent(params, event)}), stands as (${upsertSlip(params, slip)}) ${answering(params, setting)}`
  return { sql, params: params.values }
}

const settingAside = (
  { key, token }: Held,
  status: "waiting" | "undoing" | "halted" | "suspended",
  again: {
    readonly incoming: Outgoing
    readonly delay: number | undefined
    readonly event: SlipEvent | undefined
    readonly uncertain?: boolean
  },
  counts = "failures = failures + 1"
) => {
  const params = new Params(...keyOf(key), token, ...columnsOf(again.incoming))
  const due =
    again.delay === undefined ? "'infinity'" : `${now} + make_interval(secs => ${params.add(seconds(again.delay))})`
  const parts = [
    `held as (update tenon.slip_hops set status = '${status}', due_at = ${due}, published_at = '-infinity',
      pending_at = ${status === "halted" ? "null" : due}, ${counts}, queue = $6, message_id = $7,
      body = $8::bytea${again.uncertain === true ? ", uncertain = true" : ""} where ${isHeld} returning 1)`,
    ...(again.event === undefined ? [] : [`told as (${insertEvent(params, again.event)})`])
  ]
  if ((status === "halted" || status === "suspended") && again.event !== undefined) {
    parts.push(`shown as (update tenon.slips set
      status = ${status === "suspended" ? "case when status = 'halted' then status else 'suspended' end" : `'${status}'`}, halted = halted + 1,
      updated_at = ${params.add(again.event.at)}::bigint
      where tenant_id = $1 and correlation_id = $2 and exists (select from held))`)
  }
  return { sql: `with ${parts.join(", ")} select from held`, params: params.values }
}

/** What has nothing to do with the step itself counts neither as its failure nor as a crash of its worker. */
const blameless = "claims = claims - 1"

const reauthorising = (
  key: HopKey,
  instead: string,
  { branch, digest, incoming, index }: Claimant,
  event: SlipEvent
) => {
  const params = new Params(...keyOf(key), digest, ...columnsOf(incoming))
  const parts = [
    `held as (update tenon.slip_hops set status = 'waiting', due_at = ${now}, pending_at = ${now}, digest = $5,
      published_at = '-infinity', queue = $6, message_id = $7, body = $8::bytea where ${where} and status = 'suspended' and message_id = ${params.add(instead)} returning 1)`,
    `told as (${insertEvent(params, event)})`,
    `shown as (${showAgain} and exists (select from held))`
  ]
  if (index !== undefined) {
    parts.push(`head as (insert into tenon.slip_heads (tenant_id, correlation_id, branch, place, digest)
      select $1, $2, ${params.add(branch)}, ${params.add(index)}::bigint, $5 from held on conflict do nothing)`)
  }
  return { sql: `with ${parts.join(", ")} select from held`, params: params.values }
}

const takePending = `with due as (
    select tenant_id, correlation_id, step, phase from tenon.slip_hops
    where pending_at <= statement_timestamp() and published_at <= statement_timestamp() - make_interval(secs => $2)
    order by pending_at limit $1 for update skip locked)
  update tenon.slip_hops as h set published_at = ${now}, pending_at = ${now} from due as d
  where h.tenant_id = d.tenant_id and h.correlation_id = d.correlation_id and h.step = d.step and h.phase = d.phase
  returning h.tenant_id, h.correlation_id, h.step, h.phase, h.queue, h.message_id, h.body`

const keyIn = (row: Row): HopKey => ({
  tenantId: String(row["tenant_id"]),
  correlationId: String(row["correlation_id"]),
  step: String(row["step"]),
  phase: row["phase"] === "execute" ? "execute" : "compensate"
})

const pendingOf = (row: Row): ReadonlyArray<Pending> => {
  const message = messageOf(row)
  return message === undefined ? [] : [{ key: keyIn(row), message }]
}

const stateOf =
  (tenantId: string) =>
  (row: Row): SlipState => ({
    tenantId,
    correlationId: String(row["correlation_id"]),
    status: row["status"] as SlipState["status"],
    activity: String(row["activity"]),
    updatedAt: Number(row["updated_at"])
  })

const eventOf = (row: Row): RecordedEvent => ({
  seq: Number(row["seq"]),
  type: row["type"] as SlipEvent["type"],
  step: String(row["step"]),
  activity: String(row["activity"]),
  detail: String(row["detail"]),
  at: Number(row["at"])
})

const state = "correlation_id, status, activity, updated_at"
const ofSlip = "from tenon.slips where tenant_id = $1 and correlation_id = $2"

/** Ids are compared byte by byte, as the other store does, whatever the database's language. */
const pageOfSlips = `select ${state} from tenon.slips where tenant_id = $1 and ($2::text is null or status = $2) and ($3::text is null or activity = $3)
  and ($4::bigint is null or updated_at >= $4) and ($5::bigint is null or updated_at < $5)
  and ($6::bigint is null or (updated_at, correlation_id collate "C") < ($6, $7::text collate "C"))
  order by updated_at desc, correlation_id collate "C" desc limit $8`

/** A step that there is never: whether it could be claimed says whether any could. Nothing of it is kept. */
const probed: HopKey = { tenantId: "probe", correlationId: "probe", step: "0", phase: "execute" }
const probing = (tx: Transaction) =>
  Effect.andThen(tx.run([claimNew(probed, "", 0).statement]), Effect.fail(new NotTaken({ _tag: "Unknown" })))

/** Whatever the database says that is not an answer: the same may succeed later, and a bug shows in the log. */
const unavailable = (failure: { readonly _tag: string; readonly message: string }) =>
  Effect.logWarning("The store of hops did not answer", failure._tag, failure.message).pipe(
    Effect.andThen(Effect.fail(new Unavailable({ what: storeName })))
  )

/** Remembers hops in the framework's tables. `relayRole` is the role that sees the outboxes of all tenants. */
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
      /** Statements of which the first must change the row of a claim. */
      const held = Effect.fnUntraced(function* ({ key }: Held, ...statements: ReadonlyArray<Statement>) {
        const { tenantId } = key
        const [rows = []] = yield* Effect.catch(sql.batch({ tenantId }, statements), unavailable)
        if (rows.length === 0) return yield* new Fenced({ key: keyText(key) })
      })

      /** The queues, where they are in this database. */
      const jointOf = (via: Transport["Service"] | undefined) =>
        via?.joint?.transactions === sql ? via.joint : undefined
      const writers = yield* HopStoreSqlChange.make(sql)
      const sending = (changing: HopStoreSqlChange.Changing) =>
        writers.change(changing).pipe(
          Effect.catch(unavailable),
          Effect.tap((isDone) =>
            isDone && changing.joint !== undefined && changing.message !== undefined
              ? changing.joint.published(changing.message)
              : Effect.void
          )
        )
      const claimAny = (key: HopKey, claimant: Claimant, millis: number) =>
        sql
          .transaction({ tenantId: key.tenantId, asynchronousCommit: true }, claimIn(key, claimant, seconds(millis)))
          .pipe(
            Effect.catch((failure) =>
              failure instanceof NotTaken ? Effect.succeed(failure.claim) : unavailable(failure)
            )
          )
      const marks = yield* HopStoreSqlMarks.make(sql)
      const purge = HopStoreSqlPurge.make(sql, options.relayRole)
      const resume = (tenantId: string, correlationId: string, skip?: Skip) => {
        const { params, sql } = resuming(tenantId, correlationId, skip)
        return Effect.map(one(tenantId, sql, params), resumed)
      }

      return HopStore.of({
        answers: Effect.catch(sql.transaction({ tenantId: probed.tenantId }, probing), (failure) =>
          failure instanceof NotTaken ? Effect.void : unavailable(failure)
        ),
        claim: (key, claimant, millis) => {
          if (claimant.index !== undefined || claimant.knownOnly === true) return claimAny(key, claimant, millis)
          return writers.claim(claimNew(key, claimant.digest, seconds(millis))).pipe(
            Effect.catch(unavailable),
            Effect.flatMap((claimed) => {
              const claim = claimedNew(claimed)
              return claim === undefined ? claimAny(key, claimant, millis) : Effect.succeed(claim)
            })
          )
        },
        renew: (claim, millis) =>
          held(claim, {
            sql: `update tenon.slip_hops set ${lease("$6")} where ${isHeld} returning 1`,
            params: [...keyOf(claim.key), claim.token, seconds(millis)]
          }),
        release: ({ key, token }, digest, how) =>
          one(key.tenantId, releasing(how), [...keyOf(key), token, digest]).pipe(Effect.asVoid),
        complete: (claim, completion, via) => {
          const { key } = claim
          const { outgoing } = completion
          const joint = jointOf(via)
          const isSent = joint !== undefined && outgoing !== undefined
          const stored = isSent ? { ...completion, outgoing: undefined } : completion
          const statement = (setting: string | undefined) => completing(claim, stored, setting)
          return sending({ tenantId: key.tenantId, statement, message: outgoing, joint }).pipe(
            Effect.flatMap((isHeld) =>
              isHeld ? Effect.succeed(isSent) : Effect.fail(new Fenced({ key: keyText(key) }))
            )
          )
        },
        arrive: ({ correlationId, tenantId }, gather, { body, branch }) =>
          sql
            .batch({ tenantId }, [
              // One at a time, so that no two get the same position.
              {
                sql: "select pg_advisory_xact_lock(hashtextextended($1, 0))",
                params: [JSON.stringify(["slip", tenantId, correlationId, gather])]
              },
              {
                sql: `insert into tenon.slip_arrivals (tenant_id, correlation_id, gather, position, branch, body)
                  select $1, $2, $3, 1 + count(*), $4, $5::bytea from tenon.slip_arrivals
                  where tenant_id = $1 and correlation_id = $2 and gather = $3 on conflict do nothing`,
                params: [tenantId, correlationId, gather, branch, body]
              },
              {
                sql: `select branch, body from tenon.slip_arrivals
                  where tenant_id = $1 and correlation_id = $2 and gather = $3 and position <= (
                    select position from tenon.slip_arrivals
                    where tenant_id = $1 and correlation_id = $2 and gather = $3 and branch = $4)
                  order by position`,
                params: [tenantId, correlationId, gather, branch]
              }
            ])
            .pipe(
              Effect.map(([, , rows = []]) =>
                rows.map((row): Arrival => ({
                  branch: String(row["branch"]),
                  body: bodyOf(row)
                }))
              ),
              Effect.catch(unavailable)
            ),
        postpone: (claim, again) =>
          held(
            claim,
            settingAside(
              claim,
              again.undoing === true ? "undoing" : "waiting",
              again,
              again.blameless === true ? blameless : undefined
            ),
            ...(again.isCalledOff === true || again.undoing === true ? [] : [wakeIfCalledOff(claim.key)])
          ),
        suspend: (claim, again) =>
          held(claim, settingAside(claim, "suspended", again, blameless), wakeIfCalledOff(claim.key)),
        suspended: (tenantId, correlationId) =>
          one(
            tenantId,
            `select tenant_id, correlation_id, step, phase, queue, message_id, body from tenon.slip_hops
              where tenant_id = $1 and correlation_id = $2 and status = 'suspended'`,
            [tenantId, correlationId]
          ).pipe(Effect.map((rows) => rows.flatMap(pendingOf))),
        reauthorise: Effect.fnUntraced(function* (key, instead, claimant, event) {
          const { params, sql: text } = reauthorising(key, instead, claimant, event)
          const rows = yield* one(key.tenantId, text, params)
          if (rows.length === 0) return yield* new NotHalted({ correlationId: key.correlationId })
        }),
        halt: (claim, again) => held(claim, settingAside(claim, "halted", { ...again, delay: 0 })),
        open: (slip, first, event, via) => {
          const joint = jointOf(via)
          const stored = joint === undefined ? first : undefined
          return Effect.map(
            sending({
              tenantId: slip.tenantId,
              waiting: waitForPurge(slip),
              statement: (setting) => opening(slip, stored, event, setting),
              message: first,
              joint
            }),
            (isNew) => (isNew ? (joint === undefined ? "stored" : "sent") : "known")
          )
        },
        dispatched: (key, id) => marks.add({ key, id }),
        pending: (limit, grace) =>
          marks.flush.pipe(
            Effect.andThen(
              sql.batch({ tenantId: null, role: options.relayRole }, [
                { sql: takePending, params: [limit, seconds(grace)] }
              ])
            ),
            Effect.map(([rows = []]) => rows.flatMap(pendingOf)),
            Effect.catch(unavailable)
          ),
        resume: Effect.fnUntraced(function* (tenantId, correlationId) {
          const { isAny } = yield* resume(tenantId, correlationId)
          if (!isAny) return yield* new NotHalted({ correlationId })
        }),
        skip: Effect.fnUntraced(function* (tenantId, correlationId, skip) {
          const { asked, isAny } = yield* resume(tenantId, correlationId, skip)
          if (!isAny) return yield* notSkipped(correlationId, asked, skip)
        }),
        cancel: (tenantId, correlationId, by) =>
          one(
            tenantId,
            `with woken as (${wake("true")})
            insert into tenon.slip_cancellations (tenant_id, correlation_id, scope, cancelled_by)
              values ($1, $2, '', $3) on conflict do nothing`,
            [tenantId, correlationId, Storable.clean(by)]
          ).pipe(Effect.asVoid),
        purge: (age, limit) => Effect.catch(purge(seconds(age), limit), unavailable),
        slip: (tenantId, correlationId) =>
          one(tenantId, `select ${state}, body ${ofSlip}`, [tenantId, correlationId]).pipe(
            Effect.map(([row]) => (row === undefined ? undefined : { ...stateOf(tenantId)(row), body: bodyOf(row) }))
          ),
        state: (tenantId, correlationId) =>
          one(tenantId, `select ${state} ${ofSlip}`, [tenantId, correlationId]).pipe(
            Effect.map(([row]) => (row === undefined ? undefined : stateOf(tenantId)(row)))
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
          ]).pipe(Effect.map((rows) => rows.map(stateOf(tenantId)))),
        events: (tenantId, correlationId) =>
          one(
            tenantId,
            `select seq, type, step, activity, detail, at from tenon.slip_events
              where tenant_id = $1 and correlation_id = $2 order by seq`,
            [tenantId, correlationId]
          ).pipe(Effect.map((rows) => rows.map(eventOf)))
      })
    })
  )
