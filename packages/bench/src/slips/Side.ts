/** What is measured: slips that go through three activities, ours or made by hand. */

/** One way of carrying out slips. */
export interface Side {
  /** Sends one slip of `steps` steps off; done when its last step is being done. */
  readonly carryOut: (steps: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** The activities, in turn; a slip of more steps comes by again. */
export const activities = ["s0", "s1", "s2"] as const

/** How many messages a worker has in hand at once, on every side. */
export const prefetch = 16

/** Lets the end of a slip be waited for. */
export class Ends {
  private readonly waiting = new Map<string, () => void>()
  private count = 0
  private readonly run = globalThis.crypto.randomUUID()
  /** A new slip's name, and its end. */
  begin(): { readonly id: string; readonly end: Promise<void> } {
    const id = `${this.run}-${++this.count}`
    return { id, end: new Promise((resolve) => this.waiting.set(id, resolve)) }
  }
  reached(id: string): void {
    this.waiting.get(id)?.()
    this.waiting.delete(id)
  }
}
