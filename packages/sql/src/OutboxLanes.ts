/**
 * The order of deliveries: each in the lane of its object and in that of its commit, behind those that came before. In
 * its object's it goes out once those are gone. In its commit's it goes out once each was tried, or waits in its own
 * object's: one that fails holds up nothing to others.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** What says in which lanes a delivery is. */
export interface InLanes {
  readonly id: string
  readonly tenantId: string
  readonly object: string
  readonly committed: string
}

const objectLane = ({ object, tenantId }: InLanes) => JSON.stringify(["object", tenantId, object])
/** The first of a commit may be what the second's receiver builds on. */
const commitLane = ({ committed, tenantId }: InLanes) => JSON.stringify(["commit", tenantId, committed])

/** A delivery that could go out, but for an earlier one that was looked at with it. */
export interface Behind<A> {
  readonly of: A
  /** The id of the earlier one. */
  readonly by: string
}

/**
 * Of deliveries that were looked at together, in their order: those that may go out one behind the other, and those
 * that may not, as one to their object does not.
 */
export const part = <A extends InLanes & { readonly free: boolean }>(
  looked: ReadonlyArray<A>
): { readonly going: ReadonlyArray<A>; readonly behind: ReadonlyArray<Behind<A>> } => {
  const stopped = new Map<string, string>()
  const going: Array<A> = []
  const behind: Array<Behind<A>> = []
  for (const each of looked) {
    const lane = objectLane(each)
    const by = stopped.get(lane)
    if (each.free && by === undefined) going.push(each)
    else stopped.set(lane, each.id)
    if (each.free && by !== undefined) behind.push({ of: each, by })
  }
  return { going, behind }
}

/** The last ones before a delivery in its lanes. */
interface Before {
  readonly object?: Turn | undefined
  readonly commit?: Turn | undefined
}

/** A delivery's turn: it comes when those before it are over. */
export class Turn {
  readonly id: string
  #before: Before
  readonly #over = Deferred.makeUnsafe<boolean>()
  /** Done once those of its commit need not wait for it: it has ended, or waits in its object's lane. */
  readonly #passed = Deferred.makeUnsafe<void>()
  #hasStopped = false

  constructor(id: string, before: Before) {
    this.id = id
    this.#before = before
  }

  /** Waits for it. Answers with the id of an earlier one to its object that is still to be delivered, and not now. */
  get comes(): Effect.Effect<string | undefined> {
    const { commit, object } = this.#before
    const pass = () => this.#pass()
    return Effect.gen(function* () {
      if (commit !== undefined) yield* Deferred.await(commit.#passed)
      if (object !== undefined && !Deferred.isDoneUnsafe(object.#over)) pass()
      return object === undefined || (yield* Deferred.await(object.#over)) ? undefined : object.id
    })
  }

  /** Whether it will not be tried now. */
  get hasStopped(): boolean {
    return this.#hasStopped
  }

  /** Takes note that it is over, or will not be tried now. */
  end(isOver: boolean): void {
    // Else each would keep all that ever were in its lanes.
    this.#before = {}
    this.#hasStopped = !isOver
  }

  /** Lets those behind it go on, or tells them that it is not over. They do so at once, before this returns. */
  tell(): void {
    Deferred.doneUnsafe(this.#over, Effect.succeed(!this.#hasStopped))
    this.#pass()
  }

  #pass(): void {
    Deferred.doneUnsafe(this.#passed, Effect.void)
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
    const [object, commit] = [this.#at(objectLane(of)), this.#at(commitLane(of))]
    const turn = new Turn(of.id, { object: object.at(-1), commit: commit.at(-1) })
    for (const turns of [object, commit]) turns.push(turn)
    return turn
  }

  /** Takes one out. */
  leave(of: InLanes, turn: Turn): void {
    for (const lane of [objectLane(of), commitLane(of)]) {
      const turns = this.#at(lane)
      const at = turns.lastIndexOf(turn)
      if (at >= 0) turns.splice(at, 1)
      if (turns.length === 0) this.#turns.delete(lane)
    }
  }

  /**
   * The lowest ids of those that are to go on in its object's lane and in its commit's: what waits behind that one is
   * woken at its end, and what comes before it has nothing left to wait for.
   */
  next(of: InLanes): { readonly object: Next; readonly commit: Next } {
    const left = (lane: string): Next => {
      const turns = this.#turns.get(lane) ?? []
      return { lane, id: lowest(turns.filter(({ hasStopped }) => !hasStopped)) }
    }
    return { object: left(objectLane(of)), commit: left(commitLane(of)) }
  }

  #at(lane: string): Array<Turn> {
    const turns = this.#turns.get(lane) ?? []
    this.#turns.set(lane, turns)
    return turns
  }
}
