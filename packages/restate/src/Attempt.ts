/**
 * Runs the body of a journaled step in this process and sorts what comes of it: a value, a failure that ends the
 * invocation, one that Restate tries again without end, or a bug that an operator has to see.
 */
import * as NodeTimers from "node:timers/promises"
import * as restate from "@restatedev/restate-sdk"
import { isCrash } from "@tenon/core/Checkpoint"
import * as RunBody from "@tenon/core/RunBody"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { CurrentWorking } from "./Working.ts"

/**
 * What Restate does with a step that threw: again after 50 ms, 100 ms and so on up to 10 s, for ever. A limit would
 * give up on accepted work while a database is down.
 */
export const retry = { initialRetryInterval: 50, retryIntervalFactor: 2, maxRetryInterval: 10_000 } as const

/** What interrupts a body from outside: the end of its attempt, or a program that has no more use for it. */
export class Interruption {
  readonly #ended: AbortSignal
  #body: Fiber.Fiber<unknown, unknown> | undefined
  #wanted = false
  #aborted = false

  constructor(ended: AbortSignal) {
    this.#ended = ended
  }

  /** Whether the program has no more use for the body. */
  get isWanted(): boolean {
    return this.#wanted
  }

  /** Whether the body was, or is to be, interrupted. */
  get isDue(): boolean {
    return this.#wanted || this.#aborted || this.#ended.aborted
  }

  /** The attempt is to end here; another one begins the body again. */
  abort(): void {
    this.#aborted = true
    this.#body?.interruptUnsafe()
  }

  /** The program has no more use for the body. */
  interrupt(): void {
    this.#wanted = true
    this.#body?.interruptUnsafe()
  }

  /** Runs a body. One that waits for nothing has ended when this returns. */
  run<A, E, R>(context: Context.Context<R>, body: Effect.Effect<A, E, R>): Exit.Exit<A, E> | Promise<Exit.Exit<A, E>> {
    const fiber = Effect.runForkWith(context)(body, { signal: this.#ended })
    this.#body = fiber
    if (this.#wanted || this.#aborted) fiber.interruptUnsafe()
    return fiber.pollUnsafe() ?? new Promise((resolve) => fiber.addObserver(resolve))
  }
}

/**
 * Runs an effect to a value or a typed failure; at once, where it has a value and waits for nothing. Rejects, for
 * Restate to retry, where it was interrupted or a crash was injected; a defect is tried a few times here and then
 * pauses the invocation, with its message for the operator.
 */
export const settle = <A, E, R>(
  context: Context.Context<R>,
  effect: Effect.Effect<A, E, R>,
  interruption: Interruption
): Result.Result<A, E> | Promise<Result.Result<A, E>> => {
  const working = Context.get(context, CurrentWorking)
  working?.begin()
  const first = interruption.run(context, effect)
  if (first instanceof Promise || Exit.isFailure(first)) {
    return settled(context, effect, interruption, first).finally(() => working?.end())
  }
  working?.end()
  return Result.succeed(first.value)
}

const settled = async <A, E, R>(
  context: Context.Context<R>,
  effect: Effect.Effect<A, E, R>,
  interruption: Interruption,
  first: Exit.Exit<A, E> | Promise<Exit.Exit<A, E>>
): Promise<Result.Result<A, E>> => {
  for (let attempt = 1, run = first; ; attempt++, run = interruption.run(context, effect)) {
    const exit = await run
    if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
    const failure = Cause.findErrorOption(exit.cause)
    if (!Cause.hasDies(exit.cause) && Option.isSome(failure)) return Result.fail(failure.value)
    // One that interrupted itself has a bug: it would do so again.
    if (!Cause.hasDies(exit.cause) && interruption.isDue) throw new Error("The step was interrupted")
    const problem = RunBody.defectOf(exit)
    if (isCrash(problem)) throw problem
    // `PauseError.from` of SDK 1.17.2 makes a RetryableError.
    if (attempt === RunBody.defectAttempts) throw new restate.PauseError(RunBody.wordsOf(problem), { cause: problem })
    await NodeTimers.setTimeout(50 * 2 ** attempt)
  }
}
