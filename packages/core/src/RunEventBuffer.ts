/**
 * What every implementation of `RunEvents` has in common: events wait here for a moment, so that the tokens of a model
 * are kept a few dozen at a time, behind the step that they come from; and watchers in this process are woken up.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import type { Actor } from "./Actor.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Draft, RunEvents } from "./RunEvents.ts"

/** How long events wait for others, in milliseconds. */
const gather = 40

/** How long to wait before another attempt to keep events, in milliseconds; after the last, they are given up. */
const patience = [100, 300, 1_000, 3_000, 10_000]

/** How long the end of the process waits for what is not kept yet. */
const parting = "2 seconds"

/** How long a watcher waits before it looks for what other processes have added. */
const poll = "250 millis"

/** Keeps drafts, all or none of them, in order. */
export type Append = (actor: Actor, run: string, drafts: ReadonlyArray<Draft>) => Effect.Effect<void, ActionFailure>

type Part = Pick<RunEvents["Service"], "publish" | "settled" | "changes">

/** Remembers that it was woken, in case nobody waits just then. */
class Watcher {
  #dirty = false
  #resume: (() => void) | undefined
  readonly wake = (): void => {
    this.#dirty = true
    this.#resume?.()
  }
  readonly woken = Effect.callback<void>((resume) => {
    const done = () => {
      this.#dirty = false
      this.#resume = undefined
      resume(Effect.void)
    }
    if (this.#dirty) done()
    else this.#resume = done
    return Effect.sync(() => void (this.#resume = undefined))
  })
}

interface Waiting {
  readonly actor: Actor
  readonly run: string
  drafts: Array<Draft>
  flushing: boolean
  readonly settled: Array<() => void>
}

/** Adds a draft; words of one step that follow each other become one. */
const add = (drafts: Array<Draft>, draft: Draft): void => {
  const before = drafts.at(-1)
  const text = draft.data["text"]
  const earlier = before?.data["text"]
  const joins =
    before?.type === "token" &&
    draft.type === "token" &&
    before.data["step"] === draft.data["step"] &&
    typeof text === "string" &&
    typeof earlier === "string"
  if (joins) drafts[drafts.length - 1] = { ...before, data: { ...before.data, text: earlier + text } }
  else drafts.push(draft)
}

/** All but `read`, over a way to keep events. What waits is kept before the scope closes. */
export const make = (append: Append): Effect.Effect<Part, never, Scope.Scope> =>
  Effect.gen(function* () {
    // The time of day goes on whatever clock a test or a run has.
    const context = Context.omit(Clock.Clock)(yield* Effect.context<never>())
    const waiting = new Map<string, Waiting>()
    const watchers = new Map<string, Set<Watcher>>()
    let closed = false
    const idOf = (actor: Actor, run: string) => JSON.stringify([actor.tenantId, run])

    const keep = Effect.fnUntraced(function* (id: string, entry: Waiting) {
      for (const again of [...patience, undefined]) {
        const drafts = entry.drafts
        entry.drafts = []
        const kept = yield* Effect.exit(append(entry.actor, entry.run, drafts))
        if (Exit.isSuccess(kept)) break
        if (again === undefined || closed) {
          yield* Effect.logWarning("Events of a run could not be kept", Cause.pretty(kept.cause)).pipe(
            Effect.annotateLogs({ run: entry.run, events: drafts.length })
          )
          break
        }
        entry.drafts = [...drafts, ...entry.drafts]
        yield* Effect.sleep(again)
      }
      for (const watcher of watchers.get(id) ?? []) watcher.wake()
    })

    const flush = (id: string, entry: Waiting): Effect.Effect<void> =>
      Effect.gen(function* () {
        while (entry.drafts.length > 0) {
          yield* keep(id, entry)
          if (entry.drafts.length > 0 && !closed) yield* Effect.sleep(gather)
        }
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            entry.flushing = false
            if (entry.drafts.length > 0) return begin(id, entry)
            waiting.delete(id)
            for (const done of entry.settled.splice(0)) done()
          })
        )
      )

    // A timer and not a fiber of the publisher: a run must not be woken by it, and may end before it.
    const begin = (id: string, entry: Waiting) => {
      entry.flushing = true
      setTimeout(() => Effect.runForkWith(context)(flush(id, entry)), gather)
    }

    const settled = (id: string) =>
      Effect.callback<void>((resume) => {
        const entry = waiting.get(id)
        if (entry === undefined) return resume(Effect.void)
        entry.settled.push(() => resume(Effect.void))
      })

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        closed = true
        return Effect.forEach([...waiting.keys()], settled, { concurrency: "unbounded", discard: true })
      }).pipe(Effect.timeout(parting), Effect.ignore)
    )

    return identity<Part>({
      publish: (actor, run, draft) =>
        Effect.sync(() => {
          // A run that goes on while this process ends is replayed elsewhere, and publishes it there.
          if (closed) return
          const id = idOf(actor, run)
          const entry = waiting.get(id) ?? { actor, run, drafts: [], flushing: false, settled: [] }
          waiting.set(id, entry)
          add(entry.drafts, draft)
          if (!entry.flushing) begin(id, entry)
        }),
      settled: (actor, run) => Effect.suspend(() => settled(idOf(actor, run))),
      changes: (actor, run) =>
        Effect.gen(function* () {
          const id = idOf(actor, run)
          const watcher = new Watcher()
          const those = watchers.get(id) ?? new Set()
          watchers.set(id, those)
          those.add(watcher)
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              those.delete(watcher)
              if (those.size === 0) watchers.delete(id)
            })
          )
          return Effect.asVoid(Effect.timeoutOption(watcher.woken, poll))
        })
    })
  })

/** The drafts that are to be kept, given the keys that the run has already. */
export const chosen = (drafts: ReadonlyArray<Draft>, kept: ReadonlySet<string>): ReadonlyArray<Draft> => {
  const seen = new Set(kept)
  return drafts.flatMap((draft) => {
    let each: Draft | undefined = draft
    while (each?.key !== undefined && seen.has(each.key)) each = each.otherwise
    if (each?.key !== undefined) seen.add(each.key)
    return each === undefined ? [] : [each]
  })
}

/** Every key that drafts may be kept under. */
export const keysOf = (drafts: ReadonlyArray<Draft>): ReadonlyArray<string> =>
  drafts.flatMap(({ key, otherwise }) => [
    ...(key === undefined ? [] : [key]),
    ...(otherwise === undefined ? [] : keysOf([otherwise]))
  ])
