/** A variable of slips with its type, for the activities and gathers that share it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ActivityContext } from "./ActivityContext.ts"

/** A named and typed variable. */
export interface Variable<in out A> {
  readonly name: string
  readonly schema: Schema.Codec<A, Schema.Json>
}

/** Declares a variable. */
export const make = <A>(name: string, schema: Schema.Codec<A, Schema.Json>): Variable<A> => ({ name, schema })

/** Reads it in an activity. */
export const get = <A>({ name, schema }: Variable<A>) =>
  Effect.flatMap(ActivityContext, (context) => context.variable(name, schema))

/** Sets it in an activity, for those that come after. */
export const set = <A>({ name, schema }: Variable<A>, value: A) =>
  Effect.flatMap(ActivityContext, (context) =>
    Effect.flatMap(Schema.encodeEffect(schema)(value), (encoded) => context.setVariable(name, encoded))
  )
