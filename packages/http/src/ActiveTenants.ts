/**
 * Remembers which tenants are active. What it says is never older than it may be; a tenant that is asked for often is
 * looked up again halfway there, beside the request, so that requests do not wait for it.
 */
import type { ActionFailure } from "@tenon/core/Failure"
import type { Tenants } from "@tenon/core/Tenants"
import * as Effect from "effect/Effect"

interface Entry {
  readonly active: boolean
  /** Milliseconds since 1970. */
  readonly since: number
  refreshing: boolean
}

/** The tenants that were asked for, the least recently looked up of which goes first. */
export class ActiveTenants {
  readonly #entries = new Map<string, Entry>()
  readonly #tenants: Tenants["Service"]
  readonly #maxAge: number
  readonly #size: number

  constructor(tenants: Tenants["Service"], maxAge: number, size: number) {
    this.#tenants = tenants
    this.#maxAge = maxAge
    this.#size = size
  }

  /** Whether a tenant may act. Fails where nobody can say. */
  isActive(tenantId: string, now: number): Effect.Effect<boolean, ActionFailure> {
    const entry = this.#entries.get(tenantId)
    if (entry === undefined || now - entry.since >= this.#maxAge) return this.#lookUp(tenantId, now)
    if (now - entry.since < this.#maxAge / 2 || entry.refreshing) return Effect.succeed(entry.active)
    entry.refreshing = true
    return Effect.as(Effect.forkDetach(Effect.ignore(this.#lookUp(tenantId, now))), entry.active)
  }

  /** The age counts from before the question, so that a change in the meantime is not taken for older than it is. */
  #lookUp(tenantId: string, since: number): Effect.Effect<boolean, ActionFailure> {
    return Effect.map(this.#tenants.status(tenantId), (status) => {
      const active = status === undefined || status === "active"
      this.#entries.delete(tenantId)
      if (this.#entries.size >= this.#size) {
        const [oldest] = this.#entries.keys()
        if (oldest !== undefined) this.#entries.delete(oldest)
      }
      this.#entries.set(tenantId, { active, since, refreshing: false })
      return active
    })
  }
}
