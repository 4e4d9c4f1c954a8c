/** A hop store in this process, on the clock at hand. A crash of a handler leaves it whole; a crash of the process not. */
import type { Outgoing } from "@tenon/messaging/Transport"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Claim,
  Fenced,
  type Held,
  HopStore,
  keyText,
  type HopKey,
  NotHalted,
  openingKey,
  type Pending,
  type SlipEvent,
  type SlipFilter,
  type SlipRecord
} from "./HopStore.ts"

interface Row {
  readonly key: HopKey
  readonly digest: string
  status: "claimed" | "waiting" | "halted" | "suspended" | "done"
  token: number
  claims: number
  failures: number
  /** When the lease ends, the wait is over, or the message is next to be published. */
  due: number
  skippedBy: string | undefined
  /** What is to be published once due, and when that was last done. */
  message: Outgoing | undefined
  publishedAt: number
}

const slipText = (tenantId: string, correlationId: string) => JSON.stringify([tenantId, correlationId])
const textOf = ({ tenantId, correlationId }: HopKey) => slipText(tenantId, correlationId)

/** Everything happens at once: there is no await between reading and writing. */
const atomically = <A, E = never>(run: (now: number) => A | Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const answer = run(now)
    return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
  })

const newRow = (key: HopKey, digest: string, status: Row["status"], due: number, message?: Outgoing): Row => ({
  key,
  digest,
  status,
  token: 0,
  claims: 0,
  failures: 0,
  due,
  skippedBy: undefined,
  message,
  publishedAt: message === undefined ? Number.NEGATIVE_INFINITY : due
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

/** Remembers until the layer is closed. */
export const layer: Layer.Layer<HopStore> = Layer.effect(
  HopStore,
  Effect.sync(() => {
    const rows = new Map<string, Row>()
    const heads = new Map<string, string>()
    const slips = new Map<string, SlipRecord>()
    const events = new Map<string, Array<SlipEvent>>()
    const cancelled = new Map<string, string>()

    const record = (key: HopKey, event: SlipEvent) => {
      const list = events.get(textOf(key)) ?? []
      list.push(event)
      events.set(textOf(key), list)
    }

    /** Does something to the row of a claim, unless the claim was lost. */
    const held = ({ key, token }: Held, change: (row: Row, now: number) => void) =>
      atomically((now): Effect.Effect<void, Fenced> => {
        const row = rows.get(keyText(key))
        if (row === undefined || row.status !== "claimed" || row.token !== token) {
          return Effect.fail(new Fenced({ key: keyText(key) }))
        }
        change(row, now)
        return Effect.void
      })

    const ofSlip = (tenantId: string, correlationId: string, ...wanted: ReadonlyArray<Row["status"]>) =>
      [...rows.values()].filter(
        ({ key, status }) => wanted.includes(status) && key.tenantId === tenantId && key.correlationId === correlationId
      )

    const setStatus = (key: HopKey, status: SlipRecord["status"], now: number) => {
      const slip = slips.get(textOf(key))
      if (slip !== undefined) slips.set(textOf(key), { ...slip, status, updatedAt: now })
    }

    return HopStore.of({
      claim: (key, { digest, incoming, index }, lease) =>
        atomically((now): Claim => {
          const id = keyText(key)
          const row = rows.get(id)
          if (row !== undefined && row.digest !== digest) {
            return { _tag: "Forked", detail: `another message for step ${key.step} was accepted before` }
          }
          if (index !== undefined) {
            const place = JSON.stringify([textOf(key), index])
            if ((heads.get(place) ?? digest) !== digest) {
              return { _tag: "Forked", detail: `another entry ${index} of this log was accepted before` }
            }
            heads.set(place, digest)
          }
          if (row?.status === "done") return { _tag: "Done", outgoing: row.message }
          if (row?.status === "halted") return { _tag: "Parked" }
          if (row !== undefined && row.due > now) {
            if (row.status === "claimed") row.message = incoming
            return { _tag: "Parked" }
          }
          const next = row ?? newRow(key, digest, "claimed", 0)
          Object.assign(next, { status: "claimed", token: next.token + 1, claims: next.claims + 1, due: now + lease })
          rows.set(id, next)
          const { token, claims, failures, skippedBy } = next
          return { _tag: "Claimed", token, claims, failures, skippedBy, cancelledBy: cancelled.get(textOf(key)) }
        }),
      renew: (claim, lease) => held(claim, (row, now) => void (row.due = now + lease)),
      release: (claim) =>
        Effect.ignore(held(claim, (row, now) => Object.assign(row, { due: now, claims: row.claims - 1 }))),
      complete: (claim, { outgoing, event, slip }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "done", message: outgoing, due: now, publishedAt: now })
          record(claim.key, event)
          slips.set(textOf(claim.key), slip)
        }),
      postpone: (claim, { incoming, delay, event, blameless }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "waiting", message: incoming, due: now + delay })
          if (blameless === true) row.claims -= 1
          else row.failures += 1
          record(claim.key, event)
        }),
      suspend: (claim, { incoming, delay = Number.POSITIVE_INFINITY, event }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "suspended", message: incoming, due: now + delay, claims: row.claims - 1 })
          record(claim.key, event)
          setStatus(claim.key, "suspended", now)
        }),
      suspended: (tenantId, correlationId) =>
        Effect.sync(() =>
          ofSlip(tenantId, correlationId, "suspended").flatMap(({ key, message }) =>
            message === undefined ? [] : [{ key, message }]
          )
        ),
      reauthorise: (key, { digest, incoming, index }, event) =>
        atomically((now) => {
          const row = rows.get(keyText(key))
          if (row?.status !== "suspended") return Effect.fail(new NotHalted({ correlationId: key.correlationId }))
          rows.set(keyText(key), { ...row, digest, message: incoming, status: "waiting", due: now })
          if (index !== undefined) heads.set(JSON.stringify([textOf(key), index]), digest)
          record(key, event)
          setStatus(key, "executing", now)
          return Effect.void
        }),
      halt: (claim, { incoming, event }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "halted", message: incoming, failures: row.failures + 1 })
          record(claim.key, event)
          setStatus(claim.key, "halted", now)
        }),
      open: (slip, first, event) =>
        atomically((now) => {
          const key = openingKey(slip)
          if (rows.has(keyText(key))) return false
          rows.set(keyText(key), newRow(key, "", "done", now, first))
          slips.set(textOf(key), slip)
          record(key, event)
          return true
        }),
      dispatched: (key, id) =>
        atomically(() => {
          const row = rows.get(keyText(key))
          if (row?.status === "done" && row.message?.id === id) row.message = undefined
        }),
      pending: (limit, grace) =>
        atomically((now) => {
          const found: Array<Pending> = []
          for (const row of rows.values()) {
            if (found.length === limit) break
            if (row.message === undefined || row.status === "halted") continue
            // What is done was published by its worker just now, if all went well.
            if (row.due > now || row.publishedAt + grace > now) continue
            row.publishedAt = now
            found.push({ key: row.key, message: row.message })
          }
          return found
        }),
      resume: (tenantId, correlationId, skippedBy) =>
        atomically((now) => {
          const waiting = ofSlip(tenantId, correlationId, "halted", "suspended")
          if (waiting.length === 0) return Effect.fail(new NotHalted({ correlationId }))
          for (const row of waiting) {
            Object.assign(row, { status: "waiting", due: now, failures: 0, skippedBy })
            setStatus(row.key, row.key.phase === "execute" ? "executing" : "compensating", now)
          }
          return Effect.void
        }),
      cancel: (tenantId, correlationId, by) =>
        atomically((now) => {
          cancelled.set(slipText(tenantId, correlationId), by)
          for (const row of ofSlip(tenantId, correlationId, "suspended")) row.due = now
        }),
      slip: (tenantId, correlationId) => Effect.sync(() => slips.get(slipText(tenantId, correlationId))),
      slips: (tenantId, filter) =>
        Effect.sync(() =>
          [...slips.values()]
            .filter((slip) => slip.tenantId === tenantId && fits(slip, filter))
            .toSorted(newestFirst)
            .slice(0, filter.limit ?? 100)
        ),
      events: (tenantId, correlationId) =>
        Effect.sync(() =>
          (events.get(slipText(tenantId, correlationId)) ?? []).map((event, index) => ({ ...event, seq: index + 1 }))
        )
    })
  })
)
