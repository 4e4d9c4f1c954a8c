/**
 * Tells the run journal what a run on Restate does, behind the run: operations are collected and written together, no
 * step waits for it, and what it could not write is written again by the next attempt, which is handed the same results.
 * What this process knows to be written it does not write again, however often a run is suspended.
 * The runs of a process write at the same moments, so that a journal can put what they write into one transaction.
 */
import { isAlive, type Kind, type Operation, type RunJournal, type RunKey, type Standing } from "@tenon/core/RunJournal"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Setting } from "./Handler.ts"

/** All write at most once in so many milliseconds. */
const interval = 100

const waiting = new Set<() => void>()

/** Has something written with the next write of all. */
const withNext = (write: () => void): void => {
  const armed = waiting.size > 0
  waiting.add(write)
  if (armed) return
  setTimeout(() => {
    const writes = [...waiting]
    waiting.clear()
    for (const each of writes) each()
  }, interval)
}

/** The most runs of which is known what is written. One that is forgotten is written once more. */
const maxKnown = 100_000

/** How many of its first operations are known to be written, of each run that goes on, by its invocation. */
export class Written {
  readonly #counts = new Map<string, number>()

  of(invocation: string): number {
    return this.#counts.get(invocation) ?? 0
  }

  /** Notes that some were written. Those behind a gap do not count, as the next attempt is to fill it. */
  note(invocation: string, offset: number, count: number): void {
    const known = this.of(invocation)
    if (offset > known) return
    this.#counts.delete(invocation)
    this.#counts.set(invocation, Math.max(known, offset + count))
    const [oldest] = this.#counts.keys()
    if (this.#counts.size > maxKnown && oldest !== undefined) this.#counts.delete(oldest)
  }

  forget(invocation: string): void {
    this.#counts.delete(invocation)
  }
}

/** An operation that was begun. */
export type Begun = Pick<Operation, "index" | "kind" | "name" | "startedAt">

/** Mirrors one attempt of one run. */
export class RunMirror {
  readonly #journal: RunJournal["Service"] | undefined
  readonly #context: Context.Context<never>
  readonly #run: RunKey
  readonly #written: Written
  readonly #invocation: string
  #begun = 0
  #operations: Array<Operation> = []
  /** How many were written, or are being written. */
  #flushed = 0
  #standing: Standing = { status: "running", problem: undefined }
  readonly #write = () => this.#flush()
  #flushing: Promise<void> = Promise.resolve()

  constructor(
    { context, journal }: Pick<Setting, "context" | "journal">,
    run: RunKey,
    written: Written,
    invocation: string
  ) {
    this.#journal = journal
    this.#context = context
    this.#run = run
    this.#written = written
    this.#invocation = invocation
    this.#soon()
  }

  /** Counts an operation. */
  begin(kind: Kind, name: string, startedAt: number): Begun {
    return { index: this.#begun++, kind, name, startedAt }
  }

  /** Notes that an operation ended. */
  end(begun: Begun, endedAt: number, outcome: Schema.Json): void {
    if (this.#journal === undefined) return
    // An operation that is handed out again began before this attempt did.
    this.#operations.push({ ...begun, startedAt: Math.min(begun.startedAt, endedAt), endedAt, outcome })
    this.#soon()
  }

  /** Notes where the run stands. */
  stand(standing: Standing): void {
    this.#standing = standing
    this.#soon()
  }

  #soon(): void {
    if (this.#journal === undefined) return
    withNext(this.#write)
  }

  #flush(): void {
    const journal = this.#journal
    if (journal === undefined) return
    const operations = this.#operations
    this.#operations = []
    const offset = this.#flushed
    this.#flushed += operations.length
    const standing = this.#standing
    const record = Effect.suspend(() => {
      const known = Math.max(0, this.#written.of(this.#invocation) - offset)
      return Effect.map(journal.record(this.#run, offset + known, operations.slice(known), standing), () => {
        if (isAlive(standing.status)) this.#written.note(this.#invocation, offset, operations.length)
        else this.#written.forget(this.#invocation)
      })
    })
    this.#flushing = this.#flushing.then(() => Effect.runPromiseWith(this.#context)(Effect.ignoreCause(record)))
  }
}
