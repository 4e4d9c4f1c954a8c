/** The deliveries that a relay has claimed, and what has become of them that the database is still to be told. */
import * as Latch from "effect/Latch"
import * as OutboxLanes from "./OutboxLanes.ts"
import type { Places } from "./OutboxPlaces.ts"
import * as OutboxSettle from "./OutboxSettle.ts"
import type { Rows, Statement } from "./TenantSql.ts"

/** A delivery at work. */
export interface Entry {
  readonly row: OutboxSettle.Claimed
  readonly turn: OutboxLanes.Turn
}

/** How an attempt ended: delivered, or failed for now or for good, or put back, behind another where one is named. */
export type End =
  | { readonly _tag: "Delivered" }
  | { readonly _tag: "Postponed" | "SetAside"; readonly why: string }
  | { readonly _tag: "GivenBack"; readonly by?: string | undefined }

/** How much is claimed. */
const bounds = {
  /** So many of a tenant that could be delivered now are enough: others of it wait in the database. */
  ready: 12,
  /** Of a tenant that has so many no more are put behind them: what waits for those is held in the database. */
  behind: 100,
  /** With so many in all only tenants that have none get on. */
  many: 1000,
  most: 2000
}

interface Ends {
  readonly delivered: Array<OutboxSettle.Claimed>
  readonly failed: Array<Statement>
  readonly givenBack: Array<OutboxSettle.GivenBack>
  /** The lanes that go on, each as its last end has left it. */
  readonly objects: Map<string, OutboxSettle.Ended>
  readonly commits: Map<string, OutboxSettle.Ended>
}

const noEnds = (): Ends => ({ delivered: [], failed: [], givenBack: [], objects: new Map(), commits: new Map() })

/** What is claimed, in its lanes. */
export class Work {
  readonly #places: Places
  readonly #lanes = new OutboxLanes.Lanes()
  /** Those that have not ended, and those that were delivered and are not removed yet. */
  readonly #claimed = new Map<string, Entry>()
  readonly #left = new Set<Entry>()
  readonly #tenants = new Map<string, number>()
  /** They keep those behind them back that a claim finds which began before they ended. */
  #stopped: Array<Entry> = []
  #ends = noEnds()
  /** Open while something is claimed. */
  readonly some = Latch.makeUnsafe(false)
  /** Open while more may be claimed. */
  readonly room = Latch.makeUnsafe(true)

  constructor(places: Places) {
    this.#places = places
  }

  /** What the next claim has to know. No other may be under way. */
  begin(limit: number): {
    readonly limit: number
    readonly busy: ReadonlyArray<string>
    readonly mine: ReadonlyArray<string>
  } {
    for (const { row, turn } of this.#stopped) this.#lanes.leave(row, turn)
    this.#stopped = []
    return { limit: Math.min(limit, bounds.most - this.#claimed.size), busy: this.#busy, mine: this.#mine }
  }

  /** Whether something is claimed. */
  get has(): boolean {
    return this.#claimed.size > 0
  }

  /** Whether so much is claimed that each tenant gets on by itself, one delivery after the other. */
  get isCrowded(): boolean {
    return this.#claimed.size >= bounds.many
  }

  /** The tenants of which enough is claimed. */
  get #busy(): ReadonlyArray<string> {
    const enough = this.isCrowded ? 1 : bounds.ready
    return [...this.#tenants.keys()].filter((tenantId) => this.#places.of(tenantId) >= enough)
  }

  get #mine(): ReadonlyArray<string> {
    const found: Array<string> = []
    for (const [id, { row }] of this.#claimed) {
      if ((this.#tenants.get(row.tenantId) ?? 0) < bounds.behind) found.push(id)
    }
    return found
  }

  /** Takes on a delivery, behind those in its lanes. */
  join(row: OutboxSettle.Claimed): Entry {
    const entry = { row, turn: this.#lanes.join(row) }
    this.#claimed.set(row.id, entry)
    this.#left.add(entry)
    this.#tenants.set(row.tenantId, (this.#tenants.get(row.tenantId) ?? 0) + 1)
    this.some.openUnsafe()
    if (this.#claimed.size >= bounds.most) this.room.closeUnsafe()
    return entry
  }

  /**
   * Puts back what was claimed and cannot go out, as the one it is behind does not. It is held behind an earlier one
   * only: two could wait for each other else.
   */
  refuse({ by, of }: OutboxSettle.GivenBack): void {
    const isBehind = by !== undefined && OutboxLanes.isLower(by, of.id)
    this.#ends.givenBack.push({ of, by: isBehind ? by : undefined })
    this.#commitGoesOn(of)
  }

  /** Takes note of an end; the first one counts. */
  end(entry: Entry, end: End): void {
    if (!this.#left.delete(entry)) return
    entry.turn.end(end._tag === "Delivered")
    this.#note(entry, end)
    // Last: those behind it may end before this returns, and all that has ended be on its way to the database.
    entry.turn.tell()
  }

  #note(entry: Entry, end: End): void {
    const { row } = entry
    const ends = this.#ends
    if (end._tag === "Delivered") {
      ends.delivered.push(row)
      return this.#goesOn(entry)
    }
    this.#forget(row)
    this.#stopped.push(entry)
    if (end._tag === "GivenBack") return this.refuse({ of: row, by: end.by })
    if (end._tag === "Postponed") {
      ends.failed.push(OutboxSettle.postpone(row, end.why))
      return this.#commitGoesOn(row)
    }
    ends.failed.push(OutboxSettle.setAside(row, end.why))
    this.#goesOn(entry)
  }

  #goesOn({ row, turn }: Entry): void {
    this.#lanes.leave(row, turn)
    const { object } = this.#lanes.next(row)
    this.#ends.objects.set(object.lane, { of: row, upTo: object.id })
    this.#commitGoesOn(row)
  }

  /** Nothing to another object waits for one that was tried, or that waits itself. */
  #commitGoesOn(row: OutboxSettle.Claimed): void {
    const { commit } = this.#lanes.next(row)
    this.#ends.commits.set(commit.lane, { of: row, upTo: commit.id })
  }

  /** Takes what is to be written; empty where that is nothing. */
  take(): Written {
    const ends = this.#ends
    this.#ends = noEnds()
    return new Written(ends)
  }

  /** Puts back what could not be written. */
  untake({ ends }: Written): void {
    const since = this.#ends
    this.#ends = {
      delivered: [...ends.delivered, ...since.delivered],
      failed: [...ends.failed, ...since.failed],
      givenBack: [...ends.givenBack, ...since.givenBack],
      objects: new Map([...ends.objects, ...since.objects]),
      commits: new Map([...ends.commits, ...since.commits])
    }
  }

  /** Takes note that it was written. */
  wrote({ ends }: Written): void {
    for (const row of ends.delivered) this.#forget(row)
  }

  /** Keeps others from what has not ended. */
  renewal(leaseSeconds: number): ReadonlyArray<Statement> {
    const rows = [...this.#left].map(({ row }) => row)
    return rows.length === 0 ? [] : [OutboxSettle.renew(rows, leaseSeconds)]
  }

  #forget({ id, tenantId }: OutboxSettle.Claimed): void {
    this.#claimed.delete(id)
    const count = this.#tenants.get(tenantId) ?? 0
    if (count <= 1) this.#tenants.delete(tenantId)
    else this.#tenants.set(tenantId, count - 1)
    if (this.#claimed.size < bounds.most) this.room.openUnsafe()
    if (this.#claimed.size === 0) this.some.closeUnsafe()
  }
}

/** Ends that are on their way to the database. */
export class Written {
  readonly ends: Ends

  constructor(ends: Ends) {
    this.ends = ends
  }

  /**
   * Those that wait are woken once the others have ended. What goes back comes last: it locks what it goes behind, with
   * which nobody may have to wait for another lock.
   */
  get statements(): ReadonlyArray<Statement> {
    const { commits, givenBack, objects } = this.ends
    return [
      ...this.#ending,
      ...(commits.size > 0 ? [OutboxSettle.wake([...objects.values()], [...commits.values()])] : []),
      ...(givenBack.length > 0 ? [OutboxSettle.giveBack(givenBack)] : [])
    ]
  }

  /** Whether the answers say that one was woken. */
  hasWoken(answers: Rows): boolean {
    return this.ends.commits.size > 0 && (answers[this.#ending.length]?.length ?? 0) > 0
  }

  get #ending(): ReadonlyArray<Statement> {
    const { delivered, failed } = this.ends
    return [...(delivered.length > 0 ? [OutboxSettle.remove(delivered)] : []), ...failed]
  }
}
