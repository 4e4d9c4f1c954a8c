/**
 * Where workers say what they can do and planners look for it. What a worker says is good for a while only, so that one
 * that died is forgotten.
 *
 * Implementations: `layerMemory` here: this process, on the clock at hand; `DirectorySql`.
 */
import type { Unavailable } from "@tenon/core/Failure"
import * as Parting from "@tenon/core/Parting"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ActivitySchema from "./ActivitySchema.ts"
import type { Action, Thing } from "./ThingDescription.ts"

/** An activity that some worker performs. */
export interface Found {
  readonly activity: string
  readonly thing: Thing
  readonly action: Action
}

/** What a planner looks for: all that is given has to hold. */
export interface Query {
  /** Part of the activity's name or description, in whatever case. */
  readonly text?: string
  /** JSON Schema of what is at hand: only activities that can do with that. */
  readonly has?: ActivitySchema.Json
}

/** Knows what workers can do. */
export class Directory extends Context.Service<
  Directory,
  {
    /** Says what a worker can do, in the place of what it said before. */
    readonly publish: (thing: Thing, goodForMillis: number) => Effect.Effect<void, Unavailable>
    /** Takes it back. */
    readonly withdraw: (id: string) => Effect.Effect<void, Unavailable>
    /** The activities that fit, by name and then by worker. */
    readonly find: (query: Query) => Effect.Effect<ReadonlyArray<Found>, Unavailable>
  }
>()("@tenon/routing-slip/Directory") {}

/** The activities of some workers that fit a query, by name and then by worker. */
export const search = (things: Iterable<Thing>, query: Query): ReadonlyArray<Found> =>
  Array.from(things)
    .flatMap((thing) => Object.entries(thing.actions).map(([activity, action]): Found => ({ activity, thing, action })))
    .filter((found) => matches(query, found))
    .toSorted((a, b) => compare(a.activity, b.activity) || compare(a.thing.id, b.thing.id))

/** Whether an activity is what a planner looks for. */
const matches = ({ has, text }: Query, { action, activity }: Found): boolean => {
  const words = `${activity} ${typeof action["description"] === "string" ? action["description"] : ""}`.toLowerCase()
  return (
    (text === undefined || words.includes(text.toLowerCase())) &&
    (has === undefined || ActivitySchema.fits(action.input, has))
  )
}

/** Remembers in this process. */
export const layerMemory: Layer.Layer<Directory> = Layer.sync(Directory, () => {
  const things = new Map<string, { readonly thing: Thing; readonly until: number }>()
  return {
    publish: (thing, goodForMillis) =>
      Effect.map(Clock.currentTimeMillis, (now) => void things.set(thing.id, { thing, until: now + goodForMillis })),
    withdraw: (id) => Effect.sync(() => void things.delete(id)),
    find: (query) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const [id, { until }] of things) if (until <= now) things.delete(id)
        return search(
          things.values().map(({ thing }) => thing),
          query
        )
      })
  }
})

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

/**
 * Has a worker listed for as long as the scope is open. `goodFor`: how soon it is forgotten if it dies. Default a
 * minute.
 */
export const announce = (thing: Thing, goodFor: Duration.Input = "1 minute"): Layer.Layer<never, never, Directory> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const directory = yield* Directory
      const millis = Duration.toMillis(Duration.fromInputUnsafe(goodFor))
      const publish = directory
        .publish(thing, millis)
        .pipe(Effect.catch((failure) => Effect.logWarning("A worker is not listed", failure.message)))
      yield* Effect.addFinalizer(() => Parting.say(Effect.ignore(directory.withdraw(thing.id)), "1 second"))
      yield* publish
      yield* Effect.sleep(millis / 3).pipe(Effect.andThen(publish), Effect.forever, Effect.forkScoped)
    })
  )
