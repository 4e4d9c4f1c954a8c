/**
 * Tells the run journal what a run on Restate does, behind the run: operations are collected and written together, no
 * step waits for it, and what it could not write is written again by the next attempt, which is handed the same results.
 */
import type { Kind, Operation, RunJournal, RunKey, Standing } from "@tenon/core/RunJournal"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"

/** At most one write in so many milliseconds. */
const interval = 50

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
  #timer: NodeJS.Timeout | undefined
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
    this.#operations.push({ ...begun, endedAt, outcome })
    this.#soon()
  }

  /** Notes where the run stands, and writes all that is left. */
  stand(standing: Standing): void {
    this.#standing = standing
    this.#flush()
  }

  #soon(): void {
    if (this.#journal === undefined) return
    this.#timer ??= setTimeout(() => this.#flush(), interval)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const journal = this.#journal
    if (journal === undefined) return
    const operations = this.#operations
    this.#operations = []
    const offset = this.#flushed
    this.#flushed += operations.length
    const standing = this.#standing
    const record = Effect.ignore(journal.record(this.#run, offset, operations, standing))
    this.#written = this.#written.then(() => Effect.runPromiseWith(this.#context)(record))
  }
}
