/**
 * Tells the run journal what a run on Restate does, behind the run: operations are collected and written together, no
 * step waits for it, and what it could not write is written again by the next attempt, which is handed the same results.
 * The runs of a process write at the same moments, so that a journal can put what they write into one transaction.
 */
import type { Kind, Operation, RunJournal, RunKey, Standing } from "@tenon/core/RunJournal"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"

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

/** An operation that was begun. */
export type Begun = Pick<Operation, "index" | "kind" | "name" | "startedAt">

/** Mirrors one attempt of one run. */
export class RunMirror {
  readonly #journal: RunJournal["Service"] | undefined
  readonly #context: Context.Context<never>
  readonly #run: RunKey
  #begun = 0
  #operations: Array<Operation> = []
  /** How many were written, or are being written. */
  #flushed = 0
  #standing: Standing = { status: "running", problem: undefined }
  readonly #write = () => this.#flush()
  #written: Promise<void> = Promise.resolve()

  constructor(journal: RunJournal["Service"] | undefined, context: Context.Context<never>, run: RunKey) {
    this.#journal = journal
    this.#context = context
    this.#run = run
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
    const record = Effect.ignoreCause(journal.record(this.#run, offset, operations, standing))
    this.#written = this.#written.then(() => Effect.runPromiseWith(this.#context)(record))
  }
}
