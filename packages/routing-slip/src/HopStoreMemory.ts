/**
 * A hop store in this process, on the clock at hand. A crash of a handler leaves it whole; a crash of the process not.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Claim,
  Fenced,
  type Held,
  HopStore,
  keyText,
  longestPause,
  NotHalted,
  notSkipped,
  type Opened,
  openingKey,
  type Pending,
  type SlipFilter,
  type SlipRecord,
  type SlipState
} from "./HopStore.ts"
import { comeAt, newRow, type Row, rowName, type Slip, Slips, wake } from "./HopStoreMemorySlip.ts"

/** Everything happens at once: there is no await between reading and writing. */
const atomically = <A, E = never>(run: (now: number) => A | Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.clockWith((clock) => {
    const answer = run(clock.currentTimeMillisUnsafe())
    return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
  })

type Place = Pick<SlipRecord, "updatedAt" | "correlationId">

const newestFirst = (a: Place, b: Place): number =>
  b.updatedAt - a.updatedAt || (a.correlationId < b.correlationId ? 1 : a.correlationId > b.correlationId ? -1 : 0)

const fits = (slip: SlipRecord, { activity, after, since, status, until }: SlipFilter): boolean =>
  (status === undefined || slip.status === status) &&
  (activity === undefined || slip.activity === activity) &&
  (since === undefined || slip.updatedAt >= since) &&
  (until === undefined || slip.updatedAt < until) &&
  (after === undefined || newestFirst(after, slip) < 0)

const stateOf = ({ body: _, ...state }: SlipRecord): SlipState => state

/**
 * Remembers until the layer is closed: all slips that go on, and about 10,000 that are over and of which nothing
 * waits, the newest.
 */
export const layer: Layer.Layer<HopStore> = Layer.effect(
  HopStore,
  Effect.sync(() => {
    const slips = new Slips()

    /** Does something to the row of a claim, unless the claim was lost. */
    const held = ({ key, token }: Held, change: (row: Row, slip: Slip, now: number) => void) =>
      atomically((now): Effect.Effect<void, Fenced> => {
        const slip = slips.of(key)
        const row = slip.rows.get(rowName(key))
        if (row === undefined || row.status !== "claimed" || row.token !== token) {
          return Effect.fail(new Fenced({ key: keyText(key) }))
        }
        change(row, slip, now)
        return Effect.void
      })

    return HopStore.of({
      answers: Effect.void,
      claim: (key, { branch, digest, incoming, index, knownOnly = false }, lease) =>
        atomically((now): Claim => {
          if (slips.isPurged(key)) return { _tag: "Purged" }
          if (knownOnly && slips.row(key) === undefined) return { _tag: "Unknown" }
          const slip = slips.of(key)
          const row = slip.rows.get(rowName(key))
          if (row !== undefined && row.digest !== digest) {
            return { _tag: "Forked", detail: `another message for step ${key.step} was accepted before` }
          }
          if (index !== undefined) {
            const place = headName(branch, index)
            if ((slip.acceptedAt(place) ?? digest) !== digest) {
              return { _tag: "Forked", detail: `another entry ${index} of this log was accepted before` }
            }
            slip.accept(place, digest)
          }
          if (row?.status === "done") return { _tag: "Done", outgoing: row.message, age: now - row.due }
          if (row?.status === "halted") return { _tag: "Parked" }
          if (row !== undefined && row.due > now) {
            if (row.status === "claimed") {
              slips.setMessage(row, incoming)
              row.publishedAt = Number.NEGATIVE_INFINITY
            }
            return { _tag: "Parked" }
          }
          const isWoken = row?.status === "suspended"
          const next = row ?? newRow(key, digest, "claimed", 0)
          if (next.status === "claimed" && next.token > 0) next.uncertain = true
          next.status = "claimed"
          next.token += 1
          next.claims += 1
          next.due = now + lease
          next.publishedAt = next.restsUntil = now
          if (row === undefined) slips.add(slip, next)
          if (isWoken) slip.show(now)
          const { token, claims, failures, skippedBy, uncertain } = next
          return {
            _tag: "Claimed",
            token,
            claims,
            failures,
            uncertain,
            skippedBy,
            cancelledBy: slip.cancellerOf(key.step)
          }
        }),
      renew: (claim, lease) => held(claim, (row, _, now) => void (row.due = now + lease)),
      release: ({ key, token }, digest, { refused = false, unbegun = false } = {}) =>
        atomically((now) => {
          const row = slips.row(key)
          if (row?.status === "claimed" && row.token === token) {
            Object.assign(row, { due: now, claims: row.claims - 1, status: unbegun ? "waiting" : "claimed" })
            // What is parked has not been published since.
            if (refused && Number.isFinite(row.publishedAt)) slips.setMessage(row, undefined)
          } else if (row !== undefined && setAside.has(row.status) && row.token === token - 1) {
            // Set aside, and claimed since, which was lost.
            row.uncertain ||= !unbegun
            comeAt(row, now)
          }
          if (row !== undefined || slips.isPurged(key)) return
          slips.add(slips.of(key), { ...newRow(key, digest, unbegun ? "waiting" : "claimed", now), token })
        }),
      complete: (claim, { closes, event, further = [], outgoing, slip: record }) =>
        held(claim, (row, slip, now) => {
          row.status = "done"
          row.due = row.publishedAt = now
          slips.setMessage(row, outgoing)
          slip.events.push(event)
          for (const { delay, key, message } of further) {
            if (slip.rows.has(rowName(key))) continue
            const first = newRow(key, "", "done", now + delay, message)
            if (delay > 0) first.publishedAt = Number.NEGATIVE_INFINITY
            slips.add(slip, first)
          }
          if (closes !== undefined) slip.cancel(closes, "the gather", now)
          if (record !== undefined) slips.set(slip, record, now)
        }).pipe(Effect.as(false)),
      arrive: (key, gather, arrival) => Effect.sync(() => slips.of(key).arrive(gather, arrival)),
      postpone: (
        claim,
        { incoming, delay, event, blameless, uncertain = false, undoing = false, isCalledOff = false }
      ) =>
        held(claim, (row, slip, now) => {
          slips.setMessage(row, incoming)
          row.status = undoing ? "undoing" : "waiting"
          comeAt(row, now + delay)
          if (!isCalledOff && slip.cancellerOf(row.key.step) !== undefined) wake(row, now)
          row.uncertain ||= uncertain
          if (blameless === true) row.claims -= 1
          else row.failures += 1
          if (event !== undefined) slip.events.push(event)
        }),
      suspend: (claim, { incoming, delay = Number.POSITIVE_INFINITY, event }) =>
        held(claim, (row, slip, now) => {
          slips.setMessage(row, incoming)
          Object.assign(row, { status: "suspended", claims: row.claims - 1 })
          comeAt(row, slip.cancellerOf(row.key.step) === undefined ? now + delay : now)
          slip.events.push(event)
          slip.show(now)
        }),
      suspended: (tenantId, correlationId) =>
        Effect.sync(() =>
          (slips.get(tenantId, correlationId)?.of("suspended") ?? []).flatMap(({ key, message }) =>
            message === undefined ? [] : [{ key, message }]
          )
        ),
      reauthorise: (key, instead, { branch, digest, incoming, index }, event) =>
        atomically((now) => {
          const slip = slips.of(key)
          const row = slip.rows.get(rowName(key))
          if (row?.status !== "suspended" || row.message?.id !== instead) {
            return Effect.fail(new NotHalted({ correlationId: key.correlationId }))
          }
          slips.setMessage(row, incoming)
          Object.assign(row, { digest, status: "waiting" })
          comeAt(row, now)
          if (index !== undefined) slip.accept(headName(branch, index), digest)
          slip.events.push(event)
          slip.show(now)
          return Effect.void
        }),
      halt: (claim, { incoming, event, uncertain = false }) =>
        held(claim, (row, slip, now) => {
          slips.setMessage(row, incoming)
          Object.assign(row, { status: "halted", failures: row.failures + 1 })
          row.uncertain ||= uncertain
          slip.events.push(event)
          slip.show(now)
        }),
      open: (record, first, event) =>
        atomically((now): Opened => {
          const key = openingKey(record)
          if (slips.isPurged(key) || slips.row(key) !== undefined) return "known"
          const slip = slips.of(key)
          slips.add(slip, newRow(key, "", "done", now, first))
          slips.set(slip, record, now)
          slip.events.push(event)
          return "stored"
        }),
      dispatched: (key, id) =>
        atomically((now) => {
          const row = slips.row(key)
          if (row?.message?.id !== id) return
          if (row.status === "done") slips.setMessage(row, undefined)
          else if (row.due <= now) row.restsUntil = now + Math.min(now - row.due, longestPause)
        }),
      pending: (limit, grace) =>
        atomically((now) => {
          const found: Array<Pending> = []
          for (const row of slips.undelivered) {
            if (found.length === limit) break
            if (row.message === undefined || row.status === "halted") continue
            // What is done was published by its worker just now, if all went well.
            if (row.due > now || row.publishedAt + grace > now || row.restsUntil > now) continue
            row.publishedAt = now
            found.push({ key: row.key, message: row.message })
          }
          return found
        }),
      resume: (tenantId, correlationId) =>
        atomically((now) => {
          const slip = slips.get(tenantId, correlationId)
          const aside = slip?.of("halted", "suspended") ?? []
          if (aside.length === 0) return Effect.fail(new NotHalted({ correlationId }))
          for (const row of aside) goOn(row, now)
          slip?.show(now)
          return Effect.void
        }),
      skip: (tenantId, correlationId, skip) =>
        atomically((now) => {
          const slip = slips.get(tenantId, correlationId)
          const halted = slip?.of("halted") ?? []
          const [row, another] = halted.filter(({ key }) => skip.step === undefined || key.step === skip.step)
          if (row === undefined || another !== undefined) {
            const steps = halted.map(({ key }) => key.step).toSorted()
            return Effect.fail(notSkipped(correlationId, steps, skip))
          }
          goOn(row, now, skip.by)
          slip?.show(now)
          return Effect.void
        }),
      cancel: (tenantId, correlationId, by) =>
        atomically((now) => slips.of({ tenantId, correlationId }).cancel("", by, now)),
      purge: (age, limit) => atomically((now) => slips.purge(now - age, limit)),
      slip: (tenantId, correlationId) => Effect.sync(() => slips.get(tenantId, correlationId)?.shown),
      state: (tenantId, correlationId) =>
        Effect.sync(() => {
          const shown = slips.get(tenantId, correlationId)?.shown
          return shown === undefined ? undefined : stateOf(shown)
        }),
      slips: (tenantId, filter) =>
        Effect.sync(() =>
          slips
            .shown(tenantId)
            .filter((slip) => fits(slip, filter))
            .toSorted(newestFirst)
            .slice(0, filter.limit ?? 100)
            .map(stateOf)
        ),
      events: (tenantId, correlationId) =>
        Effect.sync(() =>
          (slips.get(tenantId, correlationId)?.events ?? []).map((event, index) => ({ ...event, seq: index + 1 }))
        )
    })
  })
)

/** What a step is that comes again by itself. */
const setAside: ReadonlySet<Row["status"]> = new Set(["waiting", "undoing", "suspended"])

/** Has a step that was set aside begin anew. */
const goOn = (row: Row, now: number, skippedBy?: string): void => {
  Object.assign(row, { status: "waiting", claims: 0, failures: 0, skippedBy })
  comeAt(row, now)
}

/** A place in a slip's signed log. */
const headName = (branch: string, index: number) => `${index}/${branch}`
