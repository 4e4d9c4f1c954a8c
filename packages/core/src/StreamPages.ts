/**
 * A stream action page by page: each page is a transaction of its own, which reads the object's row again and asks the
 * policy again, and no more than one page is held at a time, which is bounded in rows and in bytes. Rows come in the
 * order of their keys, each once; a row that is saved meanwhile comes where its key is still ahead.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Decision from "./Decision.ts"
import type { ActionFailure } from "./Failure.ts"
import type { Invocation } from "./Invocation.ts"
import type { Load } from "./Load.ts"
import type * as Registry from "./Registry.ts"
import { LoadedPage, type UnitOfWork, type Work } from "./UnitOfWork.ts"

/** Rows of a page, at most. */
export const pageSize = 200

/** Bytes of values with which a page ends: what each caller holds here who has stopped reading. */
const pageBytes = 1_048_576

/** Where a page begins: behind a key, and behind so many rows. */
interface Place {
  readonly after: string | number | undefined
  readonly taken: number
}

/** The outputs of a page in their JSON encoding, and where the next one begins, where there is one. */
interface Page {
  readonly items: ReadonlyArray<Schema.Json>
  readonly next: Place | undefined
}

/** Runs the first page, so that what is refused is refused at once; the others follow as they are asked for. */
export const open = (
  unitOfWork: UnitOfWork["Service"],
  registry: Registry.Registry,
  found: Decision.Found,
  invocation: Invocation,
  surroundings: Effect.Effect<Decision.Surroundings>,
  run: (work: Effect.Effect<Page, ActionFailure>) => Effect.Effect<Page, ActionFailure>
): Effect.Effect<Stream.Stream<Schema.Json, ActionFailure>, ActionFailure> => {
  const read = (place: Place) =>
    run(Effect.flatMap(surroundings, (given) => pageAt(unitOfWork, registry, found, invocation, given, place)))
  return Effect.map(read({ after: undefined, taken: 0 }), (first) =>
    Stream.paginate<Page | Place, Schema.Json, ActionFailure>(first, (state) =>
      Effect.map("items" in state ? Effect.succeed(state) : read(state), ({ items, next }) => [
        items,
        Option.fromUndefinedOr(next)
      ])
    )
  )
}

const pageAt = (
  unitOfWork: UnitOfWork["Service"],
  registry: Registry.Registry,
  found: Decision.Found,
  invocation: Invocation,
  surroundings: Decision.Surroundings,
  place: Place
): Effect.Effect<Page, ActionFailure> => {
  const { source } = found.action
  if (source === undefined) {
    return Effect.die(new Error(`${found.resource.name}.${found.action.name} is not a stream; perform it`))
  }
  let load: Load<ReadonlyArray<object>> | undefined
  const paged: typeof source = (args) => {
    const whole = source(args)
    const left = (whole.limit ?? Number.POSITIVE_INFINITY) - place.taken
    const page = { after: place.after, bytes: pageBytes }
    return (load = { ...whole, limit: Math.min(pageSize, left), page })
  }
  const made = Decision.work(registry, found, invocation, surroundings, paged)
  if (Result.isFailure(made)) return Effect.fail(made.failure)
  const work = made.success
  let page: LoadedPage | undefined
  const decide: Work["decide"] = (self, loaded) => {
    const answer = loaded[Decision.streamRows]
    page = answer instanceof LoadedPage ? answer : undefined
    return work.decide(self, loaded)
  }
  return Effect.map(unitOfWork.run({ ...work, decide }), ({ result }) => ({
    items: Array.isArray(result) ? result : [],
    next: placeAfter(place, page, load)
  }))
}

/** Behind the rows of a page, where there are more. One that brings as many as the stream may have is the last. */
const placeAfter = (
  { taken }: Place,
  page: LoadedPage | undefined,
  load: Load<ReadonlyArray<object>> | undefined
): Place | undefined => {
  const last = load === undefined ? undefined : page?.rows.at(-1)?.[load.resource.key]
  if ((typeof last !== "string" && typeof last !== "number") || page?.more !== true) return undefined
  return { after: last, taken: taken + page.rows.length }
}
