/**
 * Lets a plain Effect program run durably: its fibers interleave the same way at every replay, and it waits for Restate
 * in one place.
 *
 * The SDK allows one await at a time (sdk-typescript issue 743), and Effect's scheduler takes turns as the event loop
 * happens to. So a run has a scheduler of its own, a queue that is drained synchronously; a durable operation parks its
 * promise; and when nothing can go on, the driver races what is parked and resumes exactly the one that came first,
 * which the journal keeps in order. Fibers of an attempt that ends are left alone, and none of their finalizers run.
 */
import * as restate from "@restatedev/restate-sdk"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"

interface Arrival {
  readonly id: number
  readonly value: unknown
  readonly failure: restate.TerminalError | undefined
}

interface Parked {
  readonly promise: restate.RestatePromise<Arrival>
  readonly arrived: (arrival: Arrival) => void
}

const foreign =
  "A workflow did something durable, or went on, at a moment that a replay cannot repeat: inside a step, or woken by " +
  "something that is not durable. Put promises, timers, queues and calls of other services inside `Durable.step`, and " +
  "what is durable outside of it."

/** Drives one attempt of one run. */
export class RunDriver {
  /** For the run's context. */
  readonly scheduler: Scheduler.Scheduler
  readonly #tasks: Array<() => void> = []
  readonly #parked = new Map<number, Parked>()
  readonly #mistaken = Promise.withResolvers<never>()
  #turn = false
  #operations = 0

  constructor() {
    this.#mistaken.promise.catch(() => {})
    this.scheduler = {
      executionMode: "async",
      // Asked before every operation, so a fiber that something else has woken up is found out here.
      shouldYield: (fiber) => {
        this.#checkTurn()
        return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
      },
      makeDispatcher: () => ({
        scheduleTask: (task) => {
          this.#checkTurn()
          this.#tasks.push(task)
        },
        flush: () => this.#drain()
      })
    }
  }

  /** Does something with Restate that nobody waits for. */
  now(issue: () => void): Effect.Effect<void> {
    return Effect.suspend(() => (this.#turn ? Effect.sync(issue) : Effect.die(new Error(foreign))))
  }

  /**
   * Waits for a promise of Restate, whose call is made at once. `before` runs when it has come, and may reject to end
   * the attempt; the operation's fiber goes on after it. Dies with a terminal failure, unless `refused` says otherwise.
   */
  await<A, E = never>(
    issue: () => restate.RestatePromise<A>,
    refused: (failure: restate.TerminalError) => Effect.Effect<never, E> = Effect.die
  ): Effect.Effect<A, E> {
    return Effect.callback<A, E>((resume) => {
      if (!this.#turn) return resume(Effect.die(new Error(foreign)))
      const id = this.#operations++
      this.#parked.set(id, {
        promise: issue().map((value, failure) => ({ id, value, failure })),
        arrived: ({ failure, value }) => resume(failure === undefined ? Effect.succeed(value as A) : refused(failure))
      })
      return Effect.sync(() => void this.#parked.delete(id))
    })
  }

  /**
   * Runs a program to its end. Rejects where the attempt must end; never settles where Restate suspends it. `between`
   * runs before anything goes on after a wait.
   */
  async run<A, E, R>(
    context: Context.Context<R>,
    program: Effect.Effect<A, E, R>,
    between: () => Promise<void> | undefined
  ): Promise<Exit.Exit<A, E>> {
    let exit: Exit.Exit<A, E> | undefined
    let root: Fiber.Fiber<A, E> | undefined
    this.#takeTurn(() => {
      root = Effect.runForkWith(context)(program)
      root.addObserver((ended) => {
        this.#checkTurn()
        exit = ended
      })
    })
    for (;;) {
      if (exit !== undefined) return exit
      const arrival = await this.#next()
      await between()
      this.#takeTurn(() => {
        if (arrival === undefined) return root?.interruptUnsafe()
        const parked = this.#parked.get(arrival.id)
        this.#parked.delete(arrival.id)
        parked?.arrived(arrival)
      })
    }
  }

  /** What comes next of all that is waited for; `undefined` where the run was cancelled. */
  async #next(): Promise<Arrival | undefined> {
    if (this.#parked.size === 0) throw new Error(foreign)
    const promises = Array.from(this.#parked.values(), ({ promise }) => promise)
    try {
      return await Promise.race([restate.RestatePromise.race(promises), this.#mistaken.promise])
    } catch (error) {
      if (error instanceof restate.CancelledError) return undefined
      throw error
    }
  }

  #takeTurn(body: () => void): void {
    this.#turn = true
    body()
    this.#drain()
    this.#turn = false
  }

  #drain(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task()
  }

  #checkTurn(): void {
    if (!this.#turn) this.#mistaken.reject(new Error(foreign))
  }
}
