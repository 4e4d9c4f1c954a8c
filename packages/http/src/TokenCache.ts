/**
 * Remembers whom a token was found to stand for, briefly: so a revoked key and a removed signing key are gone within
 * seconds. It holds hashes of tokens, never the tokens.
 */
import type { Actor } from "@tenon/core/Actor"
import { hash } from "node:crypto"

/** The name of a token in the cache. */
export const nameOf = (token: string): string => hash("sha256", token, "base64")

interface Entry {
  readonly actor: Actor
  /** Milliseconds since 1970. */
  readonly until: number
}

/** A cache of so many tokens, the least recently used of which goes first. */
export class TokenCache {
  readonly #entries = new Map<string, Entry>()
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  get(name: string, now: number): Actor | undefined {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    this.#entries.delete(name)
    if (entry.until <= now) return undefined
    this.#entries.set(name, entry)
    return entry.actor
  }

  set(name: string, actor: Actor, until: number): void {
    if (this.#entries.size >= this.#size) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    this.#entries.set(name, { actor, until })
  }

  get size(): number {
    return this.#entries.size
  }
}
