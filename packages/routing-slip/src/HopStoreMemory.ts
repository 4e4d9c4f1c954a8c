/** A hop store in this process, on the clock at hand. A crash of a handler leaves it whole; a crash of the process not. */
import type { Outgoing } from "@tenon/messaging/Transport"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Arrival,
  type Claim,
  Fenced,
  type Held,
  HopStore,
  keyText,
  type HopKey,
  NotHalted,
  type Opened,
  openingKey,
  type Pending,
  type SlipEvent,
  type SlipFilter,
  type SlipRecord
} from "./HopStore.ts"
import { isOver } from "./SlipView.ts"

interface Row {
  readonly key: HopKey
  digest: string
  status: "claimed" | "waiting" | "halted" | "suspended" | "done"
  token: number
  claims: number
  failures: number
  uncertain: boolean
  /** When the lease ends, the wait is over, or the message is next to be published. */
  due: number
  skippedBy: string | undefined
  /** What is to be published once due, and when that was last done. */
  message: Outgoing | undefined
  publishedAt: number
}

/** Names a slip, whatever its ids contain: the length says where the first one ends. */
const slipText = (tenantId: string, correlationId: string) => `${tenantId.length}/${tenantId}${correlationId}`
/** Names a step in one of its phases; neither holds a slash. */
const idOf = ({ tenantId, correlationId, step, phase }: HopKey) =>
  `${phase}/${step}/${slipText(tenantId, correlationId)}`
const textOf = ({ tenantId, correlationId }: Pick<HopKey, "tenantId" | "correlationId">) =>
  slipText(tenantId, correlationId)

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
  uncertain: false,
  due,
  skippedBy: undefined,
  message,
  publishedAt: message === undefined ? Number.NEGATIVE_INFINITY : due
})

const getOrMake = <A>(map: Map<string, A>, name: string, make: () => A): A => {
  const known = map.get(name)
  if (known !== undefined) return known
  const made = make()
  map.set(name, made)
  return made
}

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
    const bySlip = new Map<string, Array<Row>>()
    /** Per slip, the entries accepted at each place of each branch. */
    const heads = new Map<string, Map<string, string>>()
    const slips = new Map<string, SlipRecord>()
    const events = new Map<string, Array<SlipEvent>>()
    /** What a slip would show if none of its steps were halted. */
    const stands = new Map<string, SlipRecord["status"]>()
    /** Per slip, by gather. */
    const arrivals = new Map<string, Map<string, Array<Arrival>>>()
    /** Per slip, who has called off the steps whose names begin with a scope. */
    const cancelled = new Map<string, Map<string, string>>()
    /** Slips that were here. */
    const purged = new Set<string>()

    const cancel = (slip: string, scope: string, by: string) => {
      const scopes = getOrMake(cancelled, slip, () => new Map<string, string>())
      if (!scopes.has(scope)) scopes.set(scope, by)
    }
    const cancellerOf = (key: HopKey) =>
      cancelled.size === 0
        ? undefined
        : [...(cancelled.get(textOf(key)) ?? [])].toSorted().find(([scope]) => key.step.startsWith(scope))?.[1]
    const ofSlip = (slip: string, ...wanted: ReadonlyArray<Row["status"]>) =>
      (bySlip.get(slip) ?? []).filter(({ status }) => wanted.includes(status))
    const has = (slip: string, wanted: Row["status"]) =>
      bySlip.get(slip)?.some(({ status }) => status === wanted) === true
    const add = (row: Row) => {
      rows.set(idOf(row.key), row)
      const slip = textOf(row.key)
      const others = bySlip.get(slip)
      if (others === undefined) bySlip.set(slip, [row])
      else others.push(row)
    }
    /** What a slip shows: that one of its steps is set aside, or how it stands. */
    const shownOf = (slip: string, stands: SlipRecord["status"]) =>
      has(slip, "halted") ? "halted" : has(slip, "suspended") ? "suspended" : stands

    const record = (key: HopKey, event: SlipEvent) => {
      const slip = textOf(key)
      const list = events.get(slip)
      if (list === undefined) events.set(slip, [event])
      else list.push(event)
    }

    /** Does something to the row of a claim, unless the claim was lost. */
    const held = ({ key, token }: Held, change: (row: Row, now: number) => void) =>
      atomically((now): Effect.Effect<void, Fenced> => {
        const row = rows.get(idOf(key))
        if (row === undefined || row.status !== "claimed" || row.token !== token) {
          return Effect.fail(new Fenced({ key: keyText(key) }))
        }
        change(row, now)
        return Effect.void
      })

    const setStatus = (name: string, status: SlipRecord["status"], now: number) => {
      const slip = slips.get(name)
      if (slip !== undefined) slips.set(name, { ...slip, status, updatedAt: now })
    }
    const setSlip = (slip: SlipRecord) => {
      const name = slipText(slip.tenantId, slip.correlationId)
      stands.set(name, slip.status)
      slips.set(name, { ...slip, status: shownOf(name, slip.status) })
    }
    const show = (name: string, now: number) => setStatus(name, shownOf(name, stands.get(name) ?? "executing"), now)

    return HopStore.of({
      claim: (key, { branch, digest, incoming, index }, lease) =>
        atomically((now): Claim => {
          if (purged.has(textOf(key))) return { _tag: "Purged" }
          const id = idOf(key)
          const row = rows.get(id)
          if (row !== undefined && row.digest !== digest) {
            return { _tag: "Forked", detail: `another message for step ${key.step} was accepted before` }
          }
          if (index !== undefined) {
            const place = `${index} ${branch}`
            const accepted = getOrMake(heads, textOf(key), () => new Map<string, string>())
            if ((accepted.get(place) ?? digest) !== digest) {
              return { _tag: "Forked", detail: `another entry ${index} of this log was accepted before` }
            }
            accepted.set(place, digest)
          }
          if (row?.status === "done") return { _tag: "Done", outgoing: row.message, age: now - row.due }
          if (row?.status === "halted") return { _tag: "Parked" }
          if (row !== undefined && row.due > now) {
            if (row.status === "claimed") row.message = incoming
            return { _tag: "Parked" }
          }
          const isWoken = row?.status === "suspended"
          const next = row ?? newRow(key, digest, "claimed", 0)
          if (next.status === "claimed" && next.token > 0) next.uncertain = true
          Object.assign(next, { status: "claimed", token: next.token + 1, claims: next.claims + 1, due: now + lease })
          if (row === undefined) add(next)
          if (isWoken) show(textOf(key), now)
          const { token, claims, failures, skippedBy, uncertain } = next
          return { _tag: "Claimed", token, claims, failures, uncertain, skippedBy, cancelledBy: cancellerOf(key) }
        }),
      renew: (claim, lease) => held(claim, (row, now) => void (row.due = now + lease)),
      release: (claim) =>
        Effect.ignore(held(claim, (row, now) => Object.assign(row, { due: now, claims: row.claims - 1 }))),
      complete: (claim, { closes, event, further = [], outgoing, slip }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "done", message: outgoing, due: now, publishedAt: now })
          record(claim.key, event)
          if (slip !== undefined) setSlip(slip)
          for (const { delay, key, message } of further) {
            if (rows.has(idOf(key))) continue
            const first = newRow(key, "", "done", now + delay, message)
            if (delay > 0) first.publishedAt = Number.NEGATIVE_INFINITY
            add(first)
          }
          if (closes !== undefined) cancel(textOf(claim.key), closes, "the gather")
        }).pipe(Effect.as(false)),
      arrive: (key, gather, arrival) =>
        atomically(() => {
          const gathers = getOrMake(arrivals, textOf(key), () => new Map<string, Array<Arrival>>())
          const list = getOrMake(gathers, gather, () => [])
          if (!list.some(({ branch }) => branch === arrival.branch)) list.push(arrival)
          return list.slice(0, list.findIndex(({ branch }) => branch === arrival.branch) + 1)
        }),
      postpone: (claim, { incoming, delay, event, blameless, uncertain = false }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "waiting", message: incoming, due: now + delay })
          row.uncertain ||= uncertain
          if (blameless === true) row.claims -= 1
          else row.failures += 1
          record(claim.key, event)
        }),
      suspend: (claim, { incoming, delay = Number.POSITIVE_INFINITY, event }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "suspended", message: incoming, due: now + delay, claims: row.claims - 1 })
          record(claim.key, event)
          show(textOf(claim.key), now)
        }),
      suspended: (tenantId, correlationId) =>
        Effect.sync(() =>
          ofSlip(slipText(tenantId, correlationId), "suspended").flatMap(({ key, message }) =>
            message === undefined ? [] : [{ key, message }]
          )
        ),
      reauthorise: (key, instead, { branch, digest, incoming, index }, event) =>
        atomically((now) => {
          const row = rows.get(idOf(key))
          if (row?.status !== "suspended" || row.message?.id !== instead) {
            return Effect.fail(new NotHalted({ correlationId: key.correlationId }))
          }
          Object.assign(row, { digest, message: incoming, status: "waiting", due: now })
          if (index !== undefined) {
            getOrMake(heads, textOf(key), () => new Map<string, string>()).set(`${index} ${branch}`, digest)
          }
          record(key, event)
          show(textOf(key), now)
          return Effect.void
        }),
      halt: (claim, { incoming, event, uncertain = false }) =>
        held(claim, (row, now) => {
          Object.assign(row, { status: "halted", message: incoming, failures: row.failures + 1 })
          row.uncertain ||= uncertain
          record(claim.key, event)
          show(textOf(claim.key), now)
        }),
      open: (slip, first, event) =>
        atomically((now): Opened => {
          const key = openingKey(slip)
          if (rows.has(idOf(key)) || purged.has(textOf(slip))) return "known"
          add(newRow(key, "", "done", now, first))
          setSlip(slip)
          record(key, event)
          return "stored"
        }),
      dispatched: (key, id) =>
        atomically(() => {
          const row = rows.get(idOf(key))
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
          const name = slipText(tenantId, correlationId)
          const halted = skippedBy === undefined ? ofSlip(name, "halted", "suspended") : ofSlip(name, "halted")
          if (halted.length === 0) return Effect.fail(new NotHalted({ correlationId }))
          for (const row of halted)
            Object.assign(row, { status: "waiting", due: now, claims: 0, failures: 0, skippedBy })
          show(name, now)
          return Effect.void
        }),
      cancel: (tenantId, correlationId, by) =>
        atomically((now) => {
          const name = slipText(tenantId, correlationId)
          cancel(name, "", by)
          for (const row of ofSlip(name, "suspended")) row.due = now
        }),
      purge: (age, limit) =>
        atomically((now) => {
          const before = now - age
          /** Whether it is the beginning of a branch that has not come to its gather. */
          const isAway = ({ phase, step, ...slip }: HopKey) =>
            phase === "execute" &&
            step.endsWith(".0") &&
            rows.get(idOf({ ...slip, phase, step: step.slice(0, -2) }))?.status !== "done"
          const isPast = ({ due, key, message, status }: Row) =>
            message === undefined && status !== "halted" && due <= before && !isAway(key)
          const old: Array<string> = []
          for (const [name, { status, updatedAt }] of slips) {
            if (old.length === limit) break
            if (!isOver(status) || updatedAt > before) continue
            if ((bySlip.get(name) ?? []).every(isPast)) old.push(name)
          }
          for (const name of old) {
            for (const row of bySlip.get(name) ?? []) rows.delete(idOf(row.key))
            for (const map of [bySlip, heads, slips, events, stands, arrivals, cancelled]) map.delete(name)
            purged.add(name)
          }
          return old.length
        }),
      slip: (tenantId, correlationId) => Effect.sync(() => slips.get(slipText(tenantId, correlationId))),
      slips: (tenantId, filter) =>
        Effect.sync(() =>
          [...slips.values()]
            .filter((slip) => slip.tenantId === tenantId && fits(slip, filter))
            .toSorted(newestFirst)
            .slice(0, filter.limit ?? 100)
            .map(({ body: _, ...state }) => state)
        ),
      events: (tenantId, correlationId) =>
        Effect.sync(() =>
          (events.get(slipText(tenantId, correlationId)) ?? []).map((event, index) => ({ ...event, seq: index + 1 }))
        )
    })
  })
)
