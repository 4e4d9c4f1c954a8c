/** The order of deliveries: each in the lane of its object and in that of its commit, behind those that came before. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** What says in which lanes a delivery is. */
export interface InLanes {
  readonly id: string
  readonly tenantId: string
  readonly object: string
  readonly committed: string
}

/** Its lanes: of its object, and of its commit, as the first may be what the second's receiver builds on. */
export const lanesOf = ({ committed, object, tenantId }: InLanes): ReadonlyArray<string> => [
  JSON.stringify(["object", tenantId, object]),
  JSON.stringify(["commit", tenantId, committed])
]

/** A delivery that could go out, but for an earlier one that was looked at with it. */
export interface Behind<A> {
  readonly of: A
  /** The id of the earlier one. */
  readonly by: string
}

/**
 * Of deliveries that were looked at together, in their order: those that may go out one behind the other, and those
 * that may not, as one of theirs does not.
 */
export const part = <A extends InLanes & { readonly free: boolean }>(
  looked: ReadonlyArray<A>
): { readonly going: ReadonlyArray<A>; readonly behind: ReadonlyArray<Behind<A>> } => {
  const stopped = new Map<string, string>()
  const going: Array<A> = []
  const behind: Array<Behind<A>> = []
  for (const each of looked) {
    const lanes = lanesOf(each)
    const by = lanes.map((lane) => stopped.get(lane)).find((id) => id !== undefined)
    if (each.free && by === undefined) going.push(each)
    else for (const lane of lanes) stopped.set(lane, each.id)
    if (each.free && by !== undefined) behind.push({ of: each, by })
  }
  return { going, behind }
}

/** A delivery's turn: it comes when those before it are over. */
export class Turn {
  readonly id: string
  #before: ReadonlyArray<Turn>
  readonly #over = Deferred.makeUnsafe<boolean>()
  #hasStopped = false

  constructor(id: string, before: ReadonlyArray<Turn>) {
    this.id = id
    this.#before = before
  }

  /** Waits for it. Answers with the id of an earlier one that is still to be delivered, and not now. */
  get comes(): Effect.Effect<string | undefined> {
    const before = this.#before
    return Effect.gen(function* () {
      for (const each of before) if (!(yield* Deferred.await(each.#over))) return each.id
      return undefined
    })
  }

  /** Whether it will not be tried now. */
  get hasStopped(): boolean {
    return this.#hasStopped
  }

  /** Lets those behind it go on, or tells them that it is not over. */
  end(isOver: boolean): void {
    // Else each would keep all that ever were in its lanes.
    this.#before = []
    this.#hasStopped = !isOver
    Deferred.doneUnsafe(this.#over, Effect.succeed(isOver))
  }
}

/** What is left of a lane. */
export interface Next {
  readonly lane: string
  readonly id: string | undefined
}

/** Whether an id is lower than another. */
export const isLower = (id: string, other: string): boolean => BigInt(id) < BigInt(other)

const lowest = (turns: ReadonlyArray<Turn>): string | undefined =>
  turns
    .map(({ id }) => id)
    .reduce<string | undefined>((found, id) => (found === undefined || isLower(id, found) ? id : found), undefined)

/** The lanes in which a relay has deliveries. */
export class Lanes {
  readonly #turns = new Map<string, Array<Turn>>()

  /** Puts one behind those that are there. */
  join(of: InLanes): Turn {
    const lanes = lanesOf(of).map((lane) => this.#at(lane))
    const before = lanes.map((turns) => turns.at(-1)).filter((each) => each !== undefined)
    const turn = new Turn(of.id, [...new Set(before)])
    for (const turns of lanes) turns.push(turn)
    return turn
  }

  /**
   * Takes one out. Answers, for its object's lane and its commit's, with the lowest id of those left that are to go on:
   * what waits behind that one is woken at its end, and what comes before it has nothing left to wait for.
   */
  leave(of: InLanes, turn: Turn): ReadonlyArray<Next> {
    return lanesOf(of).map((lane) => {
      const turns = this.#at(lane)
      const at = turns.lastIndexOf(turn)
      if (at >= 0) turns.splice(at, 1)
      if (turns.length === 0) this.#turns.delete(lane)
      return { lane, id: lowest(turns.filter(({ hasStopped }) => !hasStopped)) }
    })
  }

  #at(lane: string): Array<Turn> {
    const turns = this.#turns.get(lane) ?? []
    this.#turns.set(lane, turns)
    return turns
  }
}
