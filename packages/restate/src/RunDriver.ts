/**
 * Drives a run over Restate's journal: the SDK allows one await at a time (sdk-typescript issue 743), so a durable
 * operation parks its promise, and when nothing can go on, the driver races what is parked and resumes exactly the one
 * that came first, which the journal keeps in order.
 */
import * as NodeTimers from "node:timers/promises"
import * as restate from "@restatedev/restate-sdk"
import { JournalMismatch, words } from "@tenon/core/RunAttempt"
import type { Operation } from "@tenon/core/RunJournal"
import * as RunOrigin from "@tenon/core/RunOrigin"
import { foreign, RunTurns } from "@tenon/core/RunTurns"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

interface Arrival {
  readonly id: number
  readonly value: unknown
  readonly failure: restate.TerminalError | undefined
}

interface Parked {
  readonly id: number
  readonly promise: restate.RestatePromise<unknown>
  readonly arrived: (arrival: Arrival) => void
  /** The promise with its id, made when it is first raced with others. */
  racing: restate.RestatePromise<Arrival> | undefined
}

/** What becomes of a wait that does not end with a value. */
interface Waiting<F> {
  /** Of a terminal failure. Default: the program dies with it. */
  readonly refused?: (failure: restate.TerminalError) => Effect.Effect<never, F>
  /** Done where the wait is interrupted. */
  readonly interrupted?: () => void
}

/** Drives one attempt of one run. */
export class RunDriver<A, E> {
  readonly turns: RunTurns<A, E>
  readonly #parked = new Map<number, Parked>()
  readonly #mistaken = Promise.withResolvers<never>()
  /** What is taken over from another run, by index, and what of it is still to be handed out, in order. */
  readonly #taken: ReadonlyMap<number, Operation>
  readonly #left: Array<Operation>
  readonly #fits: ReturnType<typeof RunOrigin.fits>
  readonly #atBegin: RunOrigin.Partings["atBegin"]
  readonly #waiting = new Map<number, (operation: Operation) => void>()
  readonly #onFork: (fork: Operation) => void
  #operations = 0
  #cancelled = false

  /** `onFork`: told where the run of `key` goes its own way that began as another one. */
  constructor(key: string, taken: ReadonlyArray<Operation>, onFork: (fork: Operation) => void) {
    this.#onFork = onFork
    this.#taken = new Map(taken.map((each) => [each.index, each]))
    const { atBegin, operations } = RunOrigin.partings(taken)
    this.#atBegin = atBegin
    this.#fits = RunOrigin.fits(taken, key)
    this.#left = [...operations]
    this.#mistaken.promise.catch(() => {})
    this.turns = new RunTurns(this.#mistaken.reject)
  }

  /** Whether an operation is taken over. Throws where another one was at its place. */
  isForked({ index, kind, name }: Pick<Operation, "index" | "kind" | "name">): boolean {
    const taken = this.#taken.get(index)
    if (taken === undefined) return false
    if (this.#fits(taken, { kind, name })) return true
    throw new JournalMismatch({ index, expected: words(taken.kind, taken.name), found: words(kind, name) })
  }

  /** Tells of where the run goes its own way as it begins an operation that is taken over, for which nobody waits. */
  began(index: number): void {
    for (const fork of this.#atBegin.get(index) ?? []) this.#onFork(fork)
  }

  /** Ends the attempt at the next wait. */
  break(reason: unknown): void {
    this.#mistaken.reject(reason)
  }

  /** Waits for the turn of an operation that is taken over. */
  forked(index: number): Effect.Effect<Operation> {
    return this.turns.wait<Operation>((resume) => {
      const waits = this.#left.some((each) => each.index === index)
      const taken = this.#taken.get(index)
      if (!waits && taken !== undefined) resume(Effect.succeed(taken))
      else this.#waiting.set(index, (operation) => resume(Effect.succeed(operation)))
      return () => void this.#waiting.delete(index)
    })
  }

  /** Waits for a promise of Restate, whose call is made at once. */
  await<B, F = never>(
    issue: () => restate.RestatePromise<B>,
    { interrupted, refused = Effect.die }: Waiting<F> = {}
  ): Effect.Effect<B, F> {
    return this.turns.wait<B, F>((resume) => {
      const id = this.#operations++
      this.#parked.set(id, {
        id,
        promise: issue(),
        racing: undefined,
        arrived: ({ failure, value }) => resume(failure === undefined ? Effect.succeed(value as B) : refused(failure))
      })
      return () => {
        this.#parked.delete(id)
        interrupted?.()
      }
    })
  }

  /**
   * Runs a program to its end. Rejects where the attempt must end; never settles where Restate suspends it. `between`
   * runs before anything goes on after a wait, and may reject to end the attempt.
   */
  run<R>(
    context: Context.Context<R>,
    program: Effect.Effect<A, E, R>,
    between: () => Promise<void> | undefined
  ): Promise<Exit.Exit<A, E>> {
    return Promise.race([this.#drive(context, program, between), this.#mistaken.promise])
  }

  async #drive<R>(
    context: Context.Context<R>,
    program: Effect.Effect<A, E, R>,
    between: () => Promise<void> | undefined
  ): Promise<Exit.Exit<A, E>> {
    this.turns.begin(context, program)
    for (;;) {
      while (this.turns.isUnfinished) {
        await NodeTimers.setImmediate()
        this.turns.goOn()
      }
      if (this.turns.exit !== undefined) return this.turns.exit
      const taken = this.#left.shift()
      if (taken?.kind === "fork") {
        this.#onFork(taken)
        continue
      }
      if (taken !== undefined) {
        const resume = this.#waiting.get(taken.index)
        this.#waiting.delete(taken.index)
        if (resume !== undefined) this.turns.take(() => resume(taken))
        continue
      }
      const arrival = await this.#next()
      const pause = between()
      if (pause !== undefined) await pause
      if (arrival === undefined) this.turns.interrupt()
      else {
        const parked = this.#parked.get(arrival.id)
        this.#parked.delete(arrival.id)
        this.turns.take(() => parked?.arrived(arrival))
      }
    }
  }

  /** What comes next of all that is waited for; `undefined` where the run was cancelled. */
  async #next(): Promise<Arrival | undefined> {
    if (this.#parked.size === 0) throw new Error(foreign)
    const [first, ...others] = this.#parked.values()
    try {
      // A race costs the SDK more; but a promise that was waited for itself when the run was cancelled says so ever
      // after.
      return await (first !== undefined && others.length === 0 && !this.#cancelled
        ? alone(first)
        : race([...this.#parked.values()]))
    } catch (error) {
      if (!(error instanceof restate.CancelledError)) throw error
      this.#cancelled = true
      return undefined
    }
  }
}

const alone = ({ id, promise }: Parked): PromiseLike<Arrival> =>
  promise.then(
    (value) => ({ id, value, failure: undefined }),
    (failure: unknown) => {
      if (failure instanceof restate.CancelledError || !(failure instanceof restate.TerminalError)) throw failure
      return { id, value: undefined, failure }
    }
  )

const race = (parked: ReadonlyArray<Parked>): PromiseLike<Arrival> =>
  restate.RestatePromise.race(
    parked.map((each) => (each.racing ??= each.promise.map((value, failure) => ({ id: each.id, value, failure }))))
  )
