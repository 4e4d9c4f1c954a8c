/**
 * Tells the run journal what a run on Restate does, behind the run: operations are collected and written together, no
 * step waits for it, and what it could not write it tries to write again; the next attempt does so too, which is handed
 * the same results.
 * What this process knows to be written it does not write again, however often a run is suspended.
 * The runs of a process write at the same moments, so that a journal can put what they write into one transaction.
 */
import {
  type Beginning,
  isAlive,
  type Kind,
  type Operation,
  type RunJournal,
  type RunKey,
  type Standing
} from "@tenon/core/RunJournal"
import * as StepResult from "@tenon/core/StepResult"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type { Setting } from "./Handler.ts"

/** All write at most once in so many milliseconds. */
const interval = 100

/** How often what cannot be written is tried again, and how long it waits for that at most: some minutes in all. */
const maxFailures = 50
const maxPause = 5_000

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
  /** Until it is written. */
  #beginning: Beginning | undefined
  #begun = 0
  /** What is not known to be written, and how many came before. */
  #operations: Array<Operation> = []
  #offset = 0
  #standing: Standing = { status: "running", problem: undefined }
  #isWriting = false
  /** Whether there is more to tell than what is being written. */
  #isBehind = false
  #failures = 0
  readonly #write = () => this.#flush()

  constructor(
    { context, journal }: Pick<Setting, "context" | "journal">,
    { beginning, ...run }: RunKey & { readonly beginning: Beginning },
    written: Written,
    invocation: string
  ) {
    this.#journal = journal
    this.#context = context
    this.#run = run
    this.#beginning = beginning
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
    // An operation that is handed out again began before this attempt did. The program may change what it was handed.
    const startedAt = Math.min(begun.startedAt, endedAt)
    this.#operations.push({ ...begun, startedAt, endedAt, outcome: StepResult.asKept(outcome) })
    this.#soon()
  }

  /** Notes where the run went its own way that began as another one. */
  fork(operation: Operation): void {
    this.#operations.push(operation)
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
    this.#isBehind = this.#isWriting
    if (this.#isWriting) return
    this.#isWriting = true
    const operations = [...this.#operations]
    const standing = this.#standing
    const count = operations.length
    const record = Effect.suspend(() => {
      const known = Math.max(0, this.#written.of(this.#invocation) - this.#offset)
      const written = journal.record(this.#run, {
        offset: this.#offset + known,
        operations: operations.slice(known),
        standing,
        beginning: this.#beginning
      })
      return Effect.map(written, () => this.#noteWritten(count, standing))
    })
    // In a turn of its own: what an earlier attempt writes in this moment is known to be written then, as far as may
    // be.
    void Promise.resolve()
      .then(() => Effect.runPromiseExitWith(this.#context)(record))
      .then((exit) => {
        this.#isWriting = false
        if (Exit.isFailure(exit)) this.#tryAgain(count)
        else if (this.#isBehind) this.#soon()
      })
  }

  #noteWritten(count: number, standing: Standing): void {
    this.#beginning = undefined
    if (isAlive(standing.status)) this.#written.note(this.#invocation, this.#offset, count)
    else this.#written.forget(this.#invocation)
    this.#pass(count)
  }

  /** What could not be written is written with what comes next, or after a while; in the end it is given up. */
  #tryAgain(count: number): void {
    if (this.#failures++ < maxFailures) {
      setTimeout(() => this.#soon(), Math.min(interval * 2 ** this.#failures, maxPause)).unref()
    } else this.#pass(count)
  }

  #pass(count: number): void {
    this.#operations.splice(0, count)
    this.#offset += count
    this.#failures = 0
  }
}
