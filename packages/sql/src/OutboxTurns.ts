/** Who may deliver now: so many at once, and fewer of one tenant, so that a slow one leaves room for the others. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** How many at once. */
export interface Bounds {
  readonly all: number
  readonly tenant: number
}

interface AtWork {
  readonly permits: Semaphore.Semaphore
  /** Those that have not ended, and those that wait for their turn. */
  count: number
}

/** The turns that all drains of an outbox share. */
export class Turns {
  readonly #bounds: Bounds
  readonly #permits: Semaphore.Semaphore
  readonly #tenants = new Map<string, AtWork>()

  constructor(bounds: Bounds) {
    this.#bounds = bounds
    this.#permits = Semaphore.makeUnsafe(bounds.all)
  }

  /** The tenants that have no room for more. */
  get busy(): ReadonlyArray<string> {
    const full = [...this.#tenants].filter(([, { count }]) => count >= this.#bounds.tenant)
    return full.map(([tenantId]) => tenantId)
  }

  /** Does something for each, of several tenants, each when it is its turn. */
  each<A extends { readonly tenantId: string }, E, R>(
    all: ReadonlyArray<A>,
    run: (one: A) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, E, R> {
    return Effect.suspend(() => {
      const waiting = new Set(all)
      const end = (one: A) => {
        if (waiting.delete(one)) this.#leave(one.tenantId)
      }
      for (const one of all) this.#of(one.tenantId).count++
      const turn = (one: A) =>
        run(one).pipe(
          this.#permits.withPermits(1),
          this.#of(one.tenantId).permits.withPermits(1),
          Effect.ensuring(Effect.sync(() => end(one)))
        )
      return Effect.forEach(all, turn, { concurrency: "unbounded", discard: true }).pipe(
        // An interruption keeps some from beginning.
        Effect.ensuring(Effect.sync(() => all.forEach(end)))
      )
    })
  }

  #of(tenantId: string): AtWork {
    const found = this.#tenants.get(tenantId) ?? { permits: Semaphore.makeUnsafe(this.#bounds.tenant), count: 0 }
    this.#tenants.set(tenantId, found)
    return found
  }

  #leave(tenantId: string): void {
    const { count } = this.#of(tenantId)
    if (count <= 1) this.#tenants.delete(tenantId)
    else this.#of(tenantId).count = count - 1
  }
}
