/** A variable of slips with its type, for the activities and gathers that share it. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { ActivityContext } from "./ActivityContext.ts"
import * as JsonForm from "./JsonForm.ts"

/** A named and typed variable. */
export interface Variable<in out A> {
  readonly name: string
  readonly schema: JsonForm.JsonCodec<A>
}

/** Declares a variable. */
export const make = <A>(name: string, schema: Schema.Codec<A, unknown>): Variable<A> => ({
  name,
  schema: JsonForm.of(schema)
})

/** Reads it in an activity. */
export const get = <A>({ name, schema }: Variable<A>) =>
  Effect.flatMap(ActivityContext, (context) => context.variable(name, schema))

/** Sets it in an activity, for those that come after. */
export const set = <A>({ name, schema }: Variable<A>, value: A) =>
  Effect.flatMap(ActivityContext, (context) =>
    Effect.flatMap(JsonForm.encode(schema, value), (encoded) => context.setVariable(name, encoded))
  )
