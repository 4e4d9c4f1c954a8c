/** What a hop store in memory keeps of one slip, and which slips it still keeps. */
import type { Outgoing } from "@tenon/messaging/Transport"
import { type Arrival, type HopKey, isOver, type SlipEvent, type SlipRecord } from "./HopStore.ts"

/** A step of a slip in one of its phases. */
export interface Row {
  readonly key: HopKey
  digest: string
  status: "claimed" | "waiting" | "undoing" | "halted" | "suspended" | "done"
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
  /** Until when a message that the broker has confirmed rests, where the step is set aside. */
  restsUntil: number
}

export const newRow = (key: HopKey, digest: string, status: Row["status"], due: number, message?: Outgoing): Row => ({
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
  publishedAt: message === undefined ? Number.NEGATIVE_INFINITY : due,
  restsUntil: Number.NEGATIVE_INFINITY
})

/** Has a step that is set aside come again at a time, whenever it was published last. */
export const comeAt = (row: Row, due: number): void => {
  row.due = due
  row.publishedAt = row.restsUntil = Number.NEGATIVE_INFINITY
}

/** Has a step come at once that is suspended, or that waits to be tried again on its way forth. */
export const wake = (row: Row, now: number): void => {
  const waits = row.status === "waiting" && row.key.phase === "execute" && row.due > now
  if (row.status === "suspended" || waits) comeAt(row, now)
}

/** Names a step in one of its phases, within its slip; neither holds a slash. */
export const rowName = ({ phase, step }: Pick<HopKey, "phase" | "step">) => `${phase}/${step}`

/** What a client reads from a broker, or has encoded, is a part of much more, and would keep all of that. */
const own = (body: Uint8Array): Uint8Array => {
  const copy = Buffer.allocUnsafeSlow(body.byteLength)
  copy.set(body)
  return copy
}

/** One slip: its steps, and what is known of it as a whole. */
export class Slip {
  readonly tenantId: string
  readonly correlationId: string
  readonly rows = new Map<string, Row>()
  readonly events: Array<SlipEvent> = []
  // Most slips have none of these: what is kept of ten thousand is looked at by each garbage collection.
  #heads: Map<string, string> | undefined
  #arrivals: Map<string, Array<Arrival>> | undefined
  /** Who has called off the steps whose names begin with a scope. */
  #cancelled: Map<string, string> | undefined
  /** What is known of it; undefined where only steps of it came by. */
  shown: SlipRecord | undefined
  /** What it would show if none of its steps were set aside. */
  #stands: SlipRecord["status"] = "executing"

  constructor(tenantId: string, correlationId: string) {
    this.tenantId = tenantId
    this.correlationId = correlationId
  }

  /** What was accepted at a place of the slip's log. */
  acceptedAt(place: string): string | undefined {
    return this.#heads?.get(place)
  }

  /** Accepts an entry at a place of the slip's log. */
  accept(place: string, digest: string): void {
    this.#heads ??= new Map()
    this.#heads.set(place, digest)
  }

  /** How the slip stands now. */
  set(record: SlipRecord): void {
    this.#stands = record.status
    this.shown = { ...record, body: own(record.body), status: this.#status }
  }

  /** One of its steps was set aside, or goes on. */
  show(now: number): void {
    if (this.shown !== undefined) this.shown = { ...this.shown, status: this.#status, updatedAt: now }
  }

  /** What it shows: that one of its steps is set aside, or how it stands. */
  get #status(): SlipRecord["status"] {
    let shown = this.#stands
    for (const { status } of this.rows.values()) {
      if (status === "halted") return status
      if (status === "suspended") shown = status
    }
    return shown
  }

  /** Its steps of some statuses. */
  of(...wanted: ReadonlyArray<Row["status"]>): ReadonlyArray<Row> {
    return [...this.rows.values()].filter(({ status }) => wanted.includes(status))
  }

  /** Whether nothing of it has moved, waits or is to be published since a time, and no branch is still away. */
  isPast(before: number): boolean {
    const { shown } = this
    if (shown === undefined || !isOver(shown.status) || shown.updatedAt > before) return false
    for (const row of this.rows.values()) {
      if (row.message !== undefined || row.status === "halted" || row.due > before || this.#isAway(row)) return false
    }
    return true
  }

  /** Whether a step is the beginning of a branch that has not come to its gather. */
  #isAway({ key: { phase, step } }: Row): boolean {
    if (phase !== "execute" || !step.endsWith(".0")) return false
    return this.rows.get(rowName({ phase, step: step.slice(0, -2) }))?.status !== "done"
  }

  /** Calls off the steps whose names begin with a scope; who does so first has done it. What rests comes at once. */
  cancel(scope: string, by: string, now: number): void {
    this.#cancelled ??= new Map()
    if (!this.#cancelled.has(scope)) this.#cancelled.set(scope, by)
    for (const row of this.of("suspended", "waiting")) if (row.key.step.startsWith(scope)) wake(row, now)
  }

  /** Who has called a step off. */
  cancellerOf(step: string): string | undefined {
    if (this.#cancelled === undefined) return undefined
    return [...this.#cancelled].toSorted().find(([scope]) => step.startsWith(scope))?.[1]
  }

  /** Notes a branch that has come to a gather; gives all that had come by then. */
  arrive(gather: string, arrival: Arrival): ReadonlyArray<Arrival> {
    this.#arrivals ??= new Map()
    const list = this.#arrivals.get(gather) ?? []
    this.#arrivals.set(gather, list)
    const known = list.findIndex(({ branch }) => branch === arrival.branch)
    if (known >= 0) return list.slice(0, known + 1)
    list.push({ ...arrival, body: own(arrival.body) })
    return list.slice()
  }
}

/** Names a slip, whatever its ids contain: the length says where the first one ends. */
const slipName = (tenantId: string, correlationId: string) => `${tenantId.length}/${tenantId}${correlationId}`

/** The most slips that are over and still kept, and the most names of those that no longer are. */
const most = 10_000
const mostNames = 100_000
/** How many are purged at a time: a set is slow to find its first entry behind many that were deleted. */
const purgedAtOnce = 100

/** The slips that are kept. */
export class Slips {
  /** By tenant, and then by correlation id: to name them by both would cost more than to find them. */
  readonly #tenants = new Map<string, Map<string, Slip>>()
  /** Those that are over, oldest first. */
  readonly #over = new Set<Slip>()
  /** Those that were here, oldest first: no step of theirs is done again. */
  readonly #purged = new Set<string>()
  /** Steps with a message that may be due. */
  readonly undelivered = new Set<Row>()

  get(tenantId: string, correlationId: string): Slip | undefined {
    return this.#tenants.get(tenantId)?.get(correlationId)
  }

  /** The slip of a step, which may be the first of it that comes by. */
  of({ correlationId, tenantId }: Pick<HopKey, "correlationId" | "tenantId">): Slip {
    const found = this.get(tenantId, correlationId)
    if (found !== undefined) return found
    const made = new Slip(tenantId, correlationId)
    const slips = this.#tenants.get(tenantId) ?? new Map<string, Slip>()
    this.#tenants.set(tenantId, slips.set(correlationId, made))
    return made
  }

  row(key: HopKey): Row | undefined {
    return this.get(key.tenantId, key.correlationId)?.rows.get(rowName(key))
  }

  /** Takes up a step. */
  add(slip: Slip, row: Row): void {
    slip.rows.set(rowName(row.key), row)
    this.setMessage(row, row.message)
  }

  /** Gives a step the message that is to be published, or none. */
  setMessage(row: Row, message: Outgoing | undefined): void {
    row.message = message
    if (message === undefined) this.undelivered.delete(row)
    else this.undelivered.add(row)
  }

  /** Says how a slip stands, and purges the oldest of those that are over where they have become too many. */
  set(slip: Slip, record: SlipRecord, now: number): void {
    slip.set(record)
    if (!isOver(record.status)) return
    this.#over.add(slip)
    if (this.#over.size > most) this.purge(now, purgedAtOnce)
  }

  isPurged({ correlationId, tenantId }: HopKey): boolean {
    // One of which there are steps was not: after it was purged it gets no more.
    const isHere = (this.get(tenantId, correlationId)?.rows.size ?? 0) > 0
    return !isHere && this.#purged.has(slipName(tenantId, correlationId))
  }

  /** Purges up to `limit` of those of which nothing has moved since `before`, and says how many. */
  purge(before: number, limit: number): number {
    let count = 0
    for (const slip of this.#over) {
      if (count === limit) break
      if (!slip.isPast(before)) continue
      this.#forget(slip)
      count++
    }
    for (const oldest of this.#purged) {
      if (this.#purged.size <= mostNames) break
      this.#purged.delete(oldest)
    }
    return count
  }

  #forget(slip: Slip): void {
    const { correlationId, tenantId } = slip
    const slips = this.#tenants.get(tenantId)
    slips?.delete(correlationId)
    if (slips?.size === 0) this.#tenants.delete(tenantId)
    this.#over.delete(slip)
    this.#purged.add(slipName(tenantId, correlationId))
  }

  /** All of a tenant of which something is known as a whole. */
  shown(tenantId: string): ReadonlyArray<SlipRecord> {
    const found: Array<SlipRecord> = []
    for (const { shown } of this.#tenants.get(tenantId)?.values() ?? []) if (shown !== undefined) found.push(shown)
    return found
  }
}
