/** What the isolation proof has tried, what came back, and whether any of it belongs to the other tenant. */
import type { ActionFailure } from "@tenon/core/Failure"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type { Data, Party } from "./IsolationData.ts"

/** The ways in. */
export const doors = ["store", "repository", "interpreter", "executor", "runtime", "http", "sql"] as const
export type Door = (typeof doors)[number]

/** Something that tenant A tried. */
export interface Attempt {
  readonly door: Door
  readonly resource: string
  readonly what: string
}

/** Something that must not have happened. */
export interface Breach extends Attempt {
  readonly problem: string
}

/** What an attempt came to. */
export interface Answer {
  readonly ok: boolean
  /** The tag of the failure, `Defect` where it was none that is declared. */
  readonly tag: string | undefined
  readonly value: unknown
  readonly text: string
}

/** Keeps the account. */
export interface Ledger {
  readonly attempts: () => ReadonlyArray<Attempt>
  readonly breaches: () => ReadonlyArray<Breach>
  readonly breach: (attempt: Attempt, problem: string) => void
  /** Makes an attempt. What is in the answer and not in the request must not be tenant B's. */
  readonly ask: <A, R>(
    attempt: Attempt,
    request: unknown,
    effect: Effect.Effect<A, ActionFailure | Error, R>
  ) => Effect.Effect<Answer, never, R>
  /**
   * As `ask`, of something that writes: tenant B's rows of the resource must stand as they stood. Those of others are
   * looked at by and by, with `unchanged`: to look at all each time would cost the square of the resources.
   */
  readonly write: Ledger["ask"]
  /** Makes an attempt on B's key and on one that nobody has: it must not be possible to tell which is which. */
  readonly blind: <A, R>(
    attempt: Attempt,
    theirs: string,
    make: (key: string) => Effect.Effect<A, ActionFailure | Error, R>,
    request?: unknown
  ) => Effect.Effect<Answer, never, R>
  /** Looks whether tenant B's rows stand as they stood: those of the attempt's resource, or all where it names none. */
  readonly unchanged: (attempt: Attempt) => Effect.Effect<void>
  /** Lets tenant A know something of B's, which may come up in A's own rows from now on. */
  readonly tell: (something: unknown) => void
  /** Takes tenant B's rows as they are now for what must stand. */
  readonly settle: Effect.Effect<void>
}

/** What a value shows: decoded rows may hold integers that JSON has no form for. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)) ?? "nothing"

const answerOf = <A>(exit: Exit.Exit<A, ActionFailure | Error>): Answer => {
  if (Exit.isSuccess(exit)) {
    return { ok: true, tag: undefined, value: exit.value, text: textOf(exit.value) }
  }
  const failure = Cause.findError(exit.cause)
  if (Result.isFailure(failure)) return { ok: false, tag: "Defect", value: undefined, text: Cause.pretty(exit.cause) }
  const error = failure.success
  const tag = "_tag" in error ? error._tag : error.name
  return { ok: false, tag, value: error, text: textOf({ ...error, tag, message: error.message }) }
}

/** Where an answer differs without meaning anything. */
const incidental = /"(requestId|instance)":"[^"]*"/g

/** Looks at tenant B's rows, of one resource or of all: each resource's as a text. */
export type Look = (resource: string | undefined) => Effect.Effect<ReadonlyMap<string, string>>

/** Begins an account. */
export const make = (data: Data, b: Party, look: Look): Ledger => {
  const attempts: Array<Attempt> = []
  const breaches: Array<Breach> = []
  const told = new Set<string>()
  const before = new Map<string, string>()
  const breach = (attempt: Attempt, problem: string) => void breaches.push({ ...attempt, problem })

  const ask: Ledger["ask"] = Effect.fnUntraced(function* (attempt, request, effect) {
    attempts.push(attempt)
    const answer = answerOf(yield* Effect.exit(effect))
    const known = data.marksOf(b, textOf(request))
    const seen = [...data.marksOf(b, answer.text)].filter((mark) => !known.has(mark) && !told.has(mark))
    if (seen.length > 0) breach(attempt, `shows tenant B's ${seen.join(", ")}: ${answer.text.slice(0, 500)}`)
    // An action may have defects of its own; what the store is asked must have an answer.
    if (answer.tag === "Defect" && ["store", "repository", "sql"].includes(attempt.door))
      breach(attempt, `ends in a defect: ${answer.text.slice(0, 500)}`)
    return answer
  })

  const unchanged = Effect.fnUntraced(function* (attempt: Attempt) {
    const after = yield* look(before.has(attempt.resource) ? attempt.resource : undefined)
    for (const [resource, rows] of after) {
      const stood = before.get(resource) ?? ""
      if (rows !== stood) breach(attempt, `changes tenant B's rows: ${difference(stood, rows)}`)
      before.set(resource, rows)
    }
  })

  return {
    attempts: () => attempts,
    breaches: () => breaches,
    breach,
    ask,
    write: (attempt, request, effect) => Effect.tap(ask(attempt, request, effect), () => unchanged(attempt)),
    blind: Effect.fnUntraced(function* (attempt, theirs, make, request) {
      const nobody = data.mark(b)
      const first = yield* ask(attempt, [theirs, request], make(theirs))
      const second = yield* ask(attempt, [nobody, request], make(nobody))
      const [x, y] = [first.text.replaceAll(theirs, "KEY"), second.text.replaceAll(nobody, "KEY")].map((text) =>
        text.replace(incidental, "")
      )
      if (x !== y)
        breach(attempt, `tells B's key from one that nobody has: ${x?.slice(0, 300)} is not ${y?.slice(0, 300)}`)
      yield* unchanged(attempt)
      return first
    }),
    unchanged,
    tell: (something) => {
      for (const mark of data.marksOf(b, textOf(something))) told.add(mark)
    },
    settle: Effect.map(look(undefined), (now) => now.forEach((rows, resource) => before.set(resource, rows)))
  }
}

const difference = (before: string, after: string): string => {
  const [old, young] = [new Set(before.split("\n")), new Set(after.split("\n"))]
  const gone = [...old].filter((line) => !young.has(line)).map((line) => `- ${line}`)
  const come = [...young].filter((line) => !old.has(line)).map((line) => `+ ${line}`)
  return [...gone, ...come].join(" ").slice(0, 1000)
}
