/**
 * How a run stops that is told to: its program is interrupted. What it does not let be interrupted - a region that
 * belongs together, its finalizers - it may finish, with all that is durable in that, for as long as `grace`. Then it
 * is left where it stands: what it waits for is aborted, and nothing that it begins is done any more.
 */
import type { Durable } from "@tenon/core/Durable"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { grace, RunAgent } from "./AgentRun.ts"

/** What a program ends with that was stopped before it had done all that it had to do. */
export class Stopped {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const decodeStop = Schema.decodeUnknownSync(RunAgent.signals.stop)

/** That of one attempt of a run. */
export class Stopping {
  readonly #durable: Durable["Service"]
  #isLeft = false

  constructor(durable: Durable["Service"]) {
    this.#durable = durable
  }

  /** What the program can do, until it is left. */
  get durable(): Durable["Service"] {
    const { call, notify, send, signal, sleep, start, step } = this.#durable
    return {
      ...this.#durable,
      step: (...args) => this.#unlessLeft(step(...args)),
      sleep: (...args) => this.#unlessLeft(sleep(...args)),
      signal: (...args) => this.#unlessLeft(signal(...args)),
      send: (...args) => this.#unlessLeft(send(...args)),
      call: (...args) => this.#unlessLeft(call(...args)),
      start: (...args) => this.#unlessLeft(start(...args)),
      notify: (...args) => this.#unlessLeft(notify(...args))
    }
  }

  #unlessLeft<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => (this.#isLeft ? Effect.never : effect))
  }

  /** Runs the program to its end, or until it is stopped, and gives how it ended. */
  run<A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E | Stopped>, never, R> {
    return Effect.gen({ self: this }, function* () {
      const fiber = yield* Effect.forkDetach(program, { startImmediately: true })
      const stop = Effect.map(this.#durable.signal("stop"), (payload) => new Stopped(decodeStop(payload).reason))
      const first = yield* Effect.onInterrupt(Effect.raceFirst(Fiber.await(fiber), stop), () => Fiber.interrupt(fiber))
      if (!(first instanceof Stopped)) return first
      fiber.interruptUnsafe()
      if (fiber.pollUnsafe() === undefined) yield* Effect.raceFirst(Fiber.await(fiber), this.#durable.sleep(grace))
      this.#isLeft = true
      return Exit.fail(first)
    })
  }
}
