/**
 * Who may deliver now. A tenant has a few places at most, so that a slow one leaves the others theirs, and one that has
 * none gets one at once even where all are taken; only those are bounded by the most there may be.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** How many at once. */
export interface Bounds {
  /** Of one tenant. */
  readonly tenant: number
  /** In all, as long as each tenant that wants one has one. */
  readonly all: number
  /** In all, whatever happens. */
  readonly most: number
}

interface AtWork {
  running: number
  /** In the order in which they came. */
  readonly waiting: Set<Deferred.Deferred<void>>
}

/** The places that all drains of an outbox share. */
export class Places {
  readonly #bounds: Bounds
  /** Those that were served last come last. */
  readonly #tenants = new Map<string, AtWork>()
  #running = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** How many tenants have or want a place. */
  get tenants(): number {
    return this.#tenants.size
  }

  /** How many of a tenant have a place, or wait for one. */
  of(tenantId: string): number {
    const atWork = this.#tenants.get(tenantId)
    return atWork === undefined ? 0 : atWork.running + atWork.waiting.size
  }

  /** Does something in a place of a tenant, once there is one. */
  within<A, E, R>(tenantId: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) => {
      const given = Deferred.makeUnsafe<void>()
      const atWork = this.#tenants.get(tenantId) ?? { running: 0, waiting: new Set() }
      this.#tenants.set(tenantId, atWork)
      atWork.waiting.add(given)
      this.#serve()
      return restore(Effect.andThen(Deferred.await(given), effect)).pipe(
        Effect.ensuring(Effect.sync(() => this.#leave(tenantId, given)))
      )
    })
  }

  #leave(tenantId: string, given: Deferred.Deferred<void>): void {
    const atWork = this.#tenants.get(tenantId)
    if (atWork === undefined) return
    if (!atWork.waiting.delete(given)) {
      atWork.running--
      this.#running--
    }
    if (atWork.running + atWork.waiting.size === 0) this.#tenants.delete(tenantId)
    this.#serve()
  }

  /** Gives what places there are, one to each tenant in turn. */
  #serve(): void {
    let given = true
    while (given) {
      given = false
      for (const [tenantId, atWork] of [...this.#tenants]) given = this.#give(tenantId, atWork) || given
    }
  }

  #give(tenantId: string, atWork: AtWork): boolean {
    const [first] = atWork.waiting
    const { all, most, tenant } = this.#bounds
    const room = atWork.running === 0 ? most : all
    if (first === undefined || atWork.running >= tenant || this.#running >= room) return false
    atWork.waiting.delete(first)
    atWork.running++
    this.#running++
    this.#tenants.delete(tenantId)
    this.#tenants.set(tenantId, atWork)
    Deferred.doneUnsafe(first, Effect.void)
    return true
  }
}
