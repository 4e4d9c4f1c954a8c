/**
 * What became of slips, and what an operator may do about them. Everything is of the current actor's tenant: another
 * tenant's slip is not there.
 *
 * One implementation, over any `HopStore`: the workers record events and states there in the transaction of each hop,
 * so nothing has to be gathered afterwards.
 */
import { CurrentActor } from "@tenon/core/Actor"
import { InvalidInput, NotFound, type Unavailable } from "@tenon/core/Failure"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Envelope from "./Envelope.ts"
import type { NotHalted, SkipUnclear } from "./HopStore.ts"
import { HopStore, isOver, type RecordedEvent, type SlipFilter } from "./HopStore.ts"
import * as Reauthorisation from "./Reauthorisation.ts"
import * as SlipView from "./SlipView.ts"

/** The slip is over: there is nothing left to call off. */
export class NotCancellable extends Schema.TaggedError<NotCancellable>()(
  "NotCancellable",
  { correlationId: Schema.String, status: SlipView.Status },
  { httpStatus: 409, description: "The slip is over." }
) {
  override get message() {
    return `The slip ${this.correlationId} cannot be cancelled: it is over, and ${this.status}.`
  }
}

/** Which slips a list shows. `after` is the `next` of the page before. */
export interface Query extends Omit<SlipFilter, "after"> {
  readonly after?: string | undefined
}

/** A page of slips, the newest first, and the cursor of the next where there is one. */
export interface Page {
  readonly items: ReadonlyArray<SlipView.Summary>
  readonly next: string | null
}

/** Slips at most on one page. */
export const maxLimit = 1_000

/** Why a slip is not given a fresh token. */
type NotReauthorisable = Reauthorisation.NotSuspended | Reauthorisation.IssuerNeeded | Reauthorisation.NotReauthorised

/** Looks at slips and steers them. */
export class SlipRepository extends Context.Service<
  SlipRepository,
  {
    readonly list: (query: Query) => Effect.Effect<Page, InvalidInput | Unavailable, CurrentActor>
    readonly show: (correlationId: string) => Effect.Effect<SlipView.View, NotFound | Unavailable, CurrentActor>
    /**
     * What happened and what happens, until the slip is at its end. It begins with the first event; one that is watched
     * again begins there again, and `seq` tells which are known.
     */
    readonly watch: (
      correlationId: string,
      options?: { readonly every?: Duration.Input }
    ) => Stream.Stream<RecordedEvent, NotFound | Unavailable, CurrentActor>
    /** Has a halted compensation, or a suspended step, tried again as it is. */
    readonly resume: (correlationId: string) => Effect.Effect<void, NotFound | NotHalted | Unavailable, CurrentActor>
    /**
     * Has a suspended step done with a fresh token of the slip's user; `Reauthorisation.Issuers` signs, where it has
     * to.
     */
    readonly reauthorise: (
      correlationId: string,
      token: Redacted.Redacted<string>
    ) => Effect.Effect<void, NotFound | NotReauthorisable | Unavailable, CurrentActor>
    /**
     * Gives a halted compensation up: what its step did stays done, and the rest is undone. Branches may be halted at
     * several steps; then the one that is meant has to be named.
     */
    readonly skip: (
      correlationId: string,
      step?: string
    ) => Effect.Effect<void, NotFound | NotHalted | SkipUnclear | Unavailable, CurrentActor>
    /**
     * Has a slip do no further step, on any of its branches, and turn back. One that is on its way back goes on with
     * that; a compensation that is halted still has to be resumed or skipped.
     */
    readonly cancel: (
      correlationId: string
    ) => Effect.Effect<void, NotFound | NotCancellable | Unavailable, CurrentActor>
  }
>()("@tenon/routing-slip/SlipRepository") {}

/** No store is asked for anything else. */
const isId = Schema.is(Envelope.Id)

const Cursor = Schema.StringFromBase64Url.pipe(
  Schema.decodeTo(Schema.fromJsonString(Schema.Struct({ updatedAt: Schema.Int, correlationId: Envelope.Id })))
)
const decodeCursor = Schema.decodeUnknownOption(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

const defaultLimit = 50

/** The repository over a hop store. */
export const layer: Layer.Layer<SlipRepository, never, HopStore> = Layer.effect(
  SlipRepository,
  Effect.gen(function* () {
    const store = yield* HopStore
    const issuing = yield* Reauthorisation.Issuers

    const findBy =
      <A>(look: (tenantId: string, correlationId: string) => Effect.Effect<A | undefined, Unavailable>) =>
      (correlationId: string): Effect.Effect<A, NotFound | Unavailable, CurrentActor> =>
        Effect.gen(function* () {
          const { tenantId } = yield* CurrentActor
          const found = isId(correlationId) ? yield* look(tenantId, correlationId) : undefined
          return found ?? (yield* new NotFound({ resource: "Slip", key: correlationId.slice(0, 100) }))
        })
    const find = findBy(store.state)

    return SlipRepository.of({
      list: Effect.fn("SlipRepository.list")(function* ({ after, limit = defaultLimit, ...filter }) {
        const { tenantId } = yield* CurrentActor
        const cursor = after === undefined ? Option.none() : decodeCursor(after)
        const issues = [
          ...(after !== undefined && Option.isNone(cursor)
            ? [{ path: "after", message: "is not a cursor of this list; start again without it" }]
            : []),
          ...(Number.isInteger(limit) && limit >= 1 && limit <= maxLimit
            ? []
            : [{ path: "limit", message: `must be an integer from 1 to ${maxLimit}` }])
        ]
        if (issues.length > 0) return yield* new InvalidInput({ issues })
        const found = yield* store.slips(tenantId, {
          ...filter,
          after: Option.getOrUndefined(cursor),
          limit: limit + 1
        })
        const items = found.slice(0, limit).map(SlipView.summary)
        const last = items.at(-1)
        const next = found.length > limit && last !== undefined ? encodeCursor(last) : null
        return { items, next }
      }),
      show: Effect.fn("SlipRepository.show")(function* (correlationId) {
        const slip = yield* findBy(store.slip)(correlationId)
        return yield* SlipView.make(slip, yield* store.events(slip.tenantId, correlationId))
      }),
      watch: (correlationId, { every = "500 millis" } = {}) => {
        const seen = new Set<number>()
        // The state is read before the events: where it says that the slip is over, its last event is among them.
        const look = Effect.gen(function* () {
          const slip = yield* find(correlationId)
          const events = yield* store.events(slip.tenantId, correlationId)
          const fresh = events.filter(({ seq }) => !seen.has(seq))
          for (const { seq } of fresh) seen.add(seq)
          return [fresh, isOver(slip.status) ? Option.none<boolean>() : Option.some(true)] as const
        })
        return Stream.paginate(false, (again) => (again ? Effect.delay(look, every) : look))
      },
      resume: Effect.fn("SlipRepository.resume")(function* (correlationId) {
        const { tenantId } = yield* find(correlationId)
        yield* store.resume(tenantId, correlationId)
      }),
      reauthorise: Effect.fn("SlipRepository.reauthorise")(function* (correlationId, token) {
        const { id } = yield* CurrentActor
        const { tenantId } = yield* find(correlationId)
        yield* Reauthorisation.resume({ tenantId, correlationId }, { token, issuing, by: id }).pipe(
          Effect.provideService(HopStore, store)
        )
      }),
      skip: Effect.fn("SlipRepository.skip")(function* (correlationId, step) {
        const { id } = yield* CurrentActor
        const { tenantId } = yield* find(correlationId)
        yield* store.skip(tenantId, correlationId, { by: id, step })
      }),
      cancel: Effect.fn("SlipRepository.cancel")(function* (correlationId) {
        const { id } = yield* CurrentActor
        const { status, tenantId } = yield* find(correlationId)
        if (isOver(status)) return yield* new NotCancellable({ correlationId, status })
        yield* store.cancel(tenantId, correlationId, id)
      })
    })
  })
)
