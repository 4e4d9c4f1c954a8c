/**
 * Lets a plain Effect program run durably: its fibers interleave the same way at every replay.
 *
 * Effect's own scheduler takes turns as the event loop happens to. So a run has a scheduler of its own, a queue that is
 * drained synchronously, and its fibers go on only in a turn, which whoever drives the run takes: once to begin, and
 * once for every arrival, in the order that the journal keeps. Whatever goes on outside of a turn is a mistake of the
 * program, as no replay could repeat it. Fibers of an attempt that ends are left alone, and none of their finalizers
 * run.
 *
 * A turn that takes its time is taken in slices, between which everything else in the process has its time; nothing
 * that came meanwhile is handed to the program, so it goes on as if there had been none. One that has no end is a
 * mistake.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"

/** What a program is told that waits for something which a replay cannot repeat. */
export const foreign =
  "A workflow did something durable, or went on, at a moment that a replay cannot repeat: inside a step, or woken by " +
  "something that is not durable. Put promises, timers, queues and calls of other services inside `Durable.step`, and " +
  "what is durable outside of it."

/**
 * How long a turn may go on for, in milliseconds of its own slices: of the processor's time, once there are several.
 */
const limit = 2000

/** How long a slice is, in milliseconds. */
const slice = 20

/** The clock is looked at after so many tasks. */
const tasksPerLook = 16

/** What a program is told that does not wait for anything. */
export const endless = (limitMillis: number = limit): string =>
  `A run went on for more than ${limitMillis / 1000} seconds without waiting: nothing that it polls for can change in ` +
  "that time. Wait for it (`Fiber.join`, a signal), poll with `ctx.sleep` of more than no time, and put long " +
  "computations into a step."

/**
 * The processor's time of this process, in milliseconds, where the platform tells it: Node does, a browser does not.
 */
const processorTime = (): number | undefined => {
  if (typeof process === "undefined" || typeof process.cpuUsage !== "function") return undefined
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

/**
 * A busy machine may take the processor away in the middle of a slice, and a frozen one stops: that is nobody's bug.
 */
const spentSince = (begun: number, worked: number | undefined): number => {
  const passed = performance.now() - begun
  const work = worked === undefined ? undefined : processorTime()
  return work === undefined || worked === undefined ? Math.min(passed, 2 * slice) : Math.min(passed, work - worked)
}

/** The turns of one attempt of one run. */
export class RunTurns<A, E> {
  /** For the run's context. */
  readonly scheduler: Scheduler.Scheduler
  /** How the program ended. */
  exit: Exit.Exit<A, E> | undefined
  readonly #mistaken: (mistake: Error) => void
  readonly #limit: number
  #tasks: Array<() => void> = []
  #root: Fiber.Fiber<A, E> | undefined
  #turn = false
  /** How long the turn has gone on for. */
  #spent = 0
  /** When the slice is over. */
  #until = 0
  #stopped = false

  /**
   * `mistaken` is told when something goes on outside of a turn; nothing of the program does after that, and the
   * attempt must end. `limitMillis`: how long a turn may go on for.
   */
  constructor(mistaken: (mistake: Error) => void, limitMillis = limit) {
    this.#mistaken = mistaken
    this.#limit = limitMillis
    this.scheduler = {
      executionMode: "async",
      // Asked before every operation, so a fiber that something else has woken up is found out here.
      shouldYield: (fiber) => {
        this.#checkTurn()
        return this.#stopped || fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
      },
      makeDispatcher: () => ({
        scheduleTask: (task) => {
          this.#checkTurn()
          if (!this.#stopped) this.#tasks.push(task)
        },
        flush: () => this.#drain()
      })
    }
  }

  /** Begins the program: the first turn. The context holds this scheduler. */
  begin<R>(context: Context.Context<R>, program: Effect.Effect<A, E, R>): void {
    this.take(() => {
      const root = Effect.runForkWith(context)(program)
      this.#root = root
      root.addObserver((exit) => {
        this.#checkTurn()
        this.exit = exit
      })
    })
  }

  /**
   * Takes a turn: `body` resumes what goes on, and then everything runs until it waits, or for a slice. Whoever takes
   * it goes on with it until it is finished. Throws where it has no end; nothing of the program goes on after that.
   */
  take(body: () => void): void {
    if (this.#stopped) return
    this.#spent = 0
    this.#slice(body)
  }

  /** Whether there is more of the turn. */
  get isUnfinished(): boolean {
    return this.#tasks.length > 0
  }

  /** Another slice of the turn. */
  goOn(): void {
    this.#slice(() => {})
  }

  /** Takes a turn in which the program is interrupted. */
  interrupt(): void {
    this.take(() => this.#root?.interruptUnsafe())
  }

  /** Does something that nobody waits for, where the program may. */
  now(issue: () => void): Effect.Effect<void> {
    return Effect.suspend(() => (this.#turn ? Effect.sync(issue) : Effect.die(new Error(foreign))))
  }

  /** Waits for what a later turn resumes. `begin` may return what is to be done where the wait is interrupted. */
  wait<B, F = never>(begin: (resume: (effect: Effect.Effect<B, F>) => void) => () => void): Effect.Effect<B, F> {
    return Effect.callback<B, F>((resume) => {
      if (!this.#turn) return resume(Effect.die(new Error(foreign)))
      return Effect.sync(begin(resume))
    })
  }

  #slice(body: () => void): void {
    const begun = performance.now()
    const worked = this.#spent > 0 ? processorTime() : undefined
    this.#until = begun + slice
    this.#turn = true
    try {
      body()
      this.#drain()
    } finally {
      this.#turn = false
    }
    this.#spent += this.isUnfinished ? spentSince(begun, worked) : 0
    if (!this.isUnfinished || this.#spent <= this.#limit) return
    this.#stop()
    throw new Error(endless(this.#limit))
  }

  #drain(): void {
    let looked = 0
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      task()
      if (++looked % tasksPerLook === 0 && performance.now() > this.#until) return
    }
  }

  #stop(): void {
    this.#stopped = true
    this.#tasks = []
  }

  #checkTurn(): void {
    if (this.#turn) return
    this.#stop()
    this.#mistaken(new Error(foreign))
  }
}
