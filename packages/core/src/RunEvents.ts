/**
 * What may be watched of a run while it goes on: the words of a model as they come, its steps, its messages, its end.
 *
 * Each run has a sequence of events without gaps. Events are for watching only: nothing that a run does depends on
 * them, so publishing one neither waits nor fails, and what is lost with a process is made good by what the run
 * publishes when it is replayed. An event with a key is kept once, however often a replay publishes it.
 *
 * Implementations: `RunEventsMemory` (this process) and `RunEventsSql` of `@tenon/sql` (a table under row-level
 * security; watchers in other processes look four times a second).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Actor } from "./Actor.ts"
import type { ActionFailure } from "./Failure.ts"

/**
 * `token`: words of a step that is not over. `truncate`: forget the tokens of a step, since another attempt of it has
 * begun. `step`: one has begun or ended. `message`: the thread has a new one. `status`: how the run stands.
 */
export const RunEventType = Schema.Literals(["token", "truncate", "step", "status", "message"])
export type RunEventType = typeof RunEventType.Type

/** What an event says; `step` tells apart the steps of a run, and a `status` with `over` is the last event. */
export const RunEventData = Schema.Record(Schema.String, Schema.Json)
export type RunEventData = typeof RunEventData.Type

/** An event as it is kept. */
export const RunEvent = Schema.Struct({
  /** From 1, without gaps. */
  seq: Schema.Int,
  type: RunEventType,
  data: RunEventData
}).annotate({ identifier: "RunEvent" })
export interface RunEvent extends Schema.Struct.Type<typeof RunEvent.fields> {}

/** An event to keep. */
export interface Draft {
  readonly type: RunEventType
  readonly data: RunEventData
  /** An event of the run with this key is kept once. */
  readonly key?: string
  /** What to keep in its place where there is one with its key already. */
  readonly otherwise?: Draft
}

/** Events after a cursor, and where the run's events begin and end. */
export interface Page {
  readonly events: ReadonlyArray<RunEvent>
  /** The number of the first event that is still kept; one more than `last` where there is none. */
  readonly first: number
  /** The number of the last event; 0 where there was none. */
  readonly last: number
}

/** Told to a watcher whose cursor leads nowhere: forget everything; what follows begins after `after`. */
export interface Reset {
  readonly type: "reset"
  readonly after: number
}

/** Keeps and gives the events of runs. A run is known by its key within the actor's tenant. */
export class RunEvents extends Context.Service<
  RunEvents,
  {
    /** Takes an event to keep, soon and in order. Waits for nothing, so a run may do it outside of its steps. */
    readonly publish: (actor: Actor, run: string, draft: Draft) => Effect.Effect<void>
    /** Waits until what this process has published of a run is kept, or given up. */
    readonly settled: (actor: Actor, run: string) => Effect.Effect<void>
    readonly read: (actor: Actor, run: string, after: number, limit: number) => Effect.Effect<Page, ActionFailure>
    /**
     * Gives an effect that completes when events may have been added since it last did: at once where this process
     * adds them, or after a while.
     */
    readonly changes: (actor: Actor, run: string) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
  }
>()("@tenon/core/RunEvents") {}

/** The most events of one run that are kept; older tokens go first. */
export const maxKept = 10_000

/** How many events are read at once. */
const pageSize = 200

/** Whether it is the last event of its run. */
export const isLast = (event: RunEvent | Reset): boolean =>
  event.type === "status" && "data" in event && event.data["over"] === true

/**
 * Every event of a run after a cursor and then all that follow, in order and without gaps, until the last. A cursor
 * that leads nowhere - of events that are no longer kept, or that never were - gives a `reset` first. `idle` is run
 * each time there is nothing more for now; where it says true, that is the end.
 */
export const watch = (
  actor: Actor,
  run: string,
  after: number,
  idle: Effect.Effect<boolean, ActionFailure> = Effect.succeed(false)
): Stream.Stream<RunEvent | Reset, ActionFailure, RunEvents> => {
  type Step = readonly [events: ReadonlyArray<RunEvent | Reset>, cursor: number | undefined]
  const next = (events: RunEvents["Service"], changed: Effect.Effect<void>) =>
    Effect.fnUntraced(function* (cursor: number): Effect.fn.Return<Step, ActionFailure> {
      for (;;) {
        const page = yield* events.read(actor, run, cursor, pageSize)
        const [head] = page.events
        if (cursor > page.last || (head !== undefined && head.seq !== cursor + 1)) {
          const restart = page.first - 1
          return [[{ type: "reset", after: restart }], restart]
        }
        const end = page.events.findIndex(isLast)
        if (end !== -1) return [page.events.slice(0, end + 1), undefined]
        const last = page.events.at(-1)
        if (last !== undefined) return [page.events, last.seq]
        if (yield* idle) return [[], undefined]
        yield* changed
      }
    })
  return Stream.unwrap(
    Effect.gen(function* () {
      const events = yield* RunEvents
      const step = next(events, yield* events.changes(actor, run))
      return Stream.paginate(after, (cursor) =>
        Effect.map(step(cursor), ([found, following]) => [found, Option.fromUndefinedOr(following)] as const)
      )
    })
  )
}
