/** Ends requests that take too long, with one timer for all of them: a fiber and a timer for each would cost more. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Exchange } from "./Exchange.ts"

/** The requests under way. All have the same time, so the oldest is due first. */
export class Deadlines {
  readonly #underWay = new Map<Exchange, Fiber.Fiber<unknown, unknown>>()
  readonly #millis: number

  constructor(millis: number) {
    this.#millis = millis
  }

  add(exchange: Exchange, fiber: Fiber.Fiber<unknown, unknown>): void {
    this.#underWay.set(exchange, fiber)
  }

  delete(exchange: Exchange): void {
    this.#underWay.delete(exchange)
  }

  /** Interrupts every request whose time is over. */
  sweep(): void {
    const due = performance.now() - this.#millis
    for (const [exchange, fiber] of this.#underWay) {
      if (exchange.startedAt > due) return
      this.#underWay.delete(exchange)
      exchange.timedOut = true
      fiber.interruptUnsafe()
    }
  }
}

/** Deadlines that are looked after until the scope closes, ten times within their length. */
export const make = (millis: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const deadlines = new Deadlines(millis)
      const timer = setInterval(() => deadlines.sweep(), Math.max(10, Math.ceil(millis / 10)))
      timer.unref()
      return { deadlines, timer }
    }),
    ({ timer }) => Effect.sync(() => clearInterval(timer))
  ).pipe(Effect.map(({ deadlines }) => deadlines))
