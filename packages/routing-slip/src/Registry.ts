/* oxlint-disable typescript/no-explicit-any -- a collection of activities with different arguments: `any` is the only
   type argument that all of them are assignable to, since arguments are both read and written. */
/** The activities that a builder may name or a worker performs, collected explicitly: a message never names code. */
import * as Schema from "effect/Schema"
import type * as Activity from "./Activity.ts"
import * as Envelope from "./Envelope.ts"

/** A checked collection of activities with the names `Names`, needing the services `R`. */
export interface Registry<in out Names extends string, out R> {
  readonly names: (name: Names) => Names
  readonly activities: ReadonlyArray<Activity.Needing<R>>
  readonly find: (name: string) => Activity.Needing<R> | undefined
}

/** A registry of whatever names, needing the services `R`. */
export type Of<R> = Registry<any, R>

/** Any registry. */
export type Any = Registry<any, any>

const isName = Schema.is(Envelope.ActivityName)
const isQueue = Schema.is(Envelope.QueueName)

/** Collects activities. Throws where a name is malformed or comes twice: such an application must not start. */
export const make = <const A extends ReadonlyArray<Activity.Any>>(
  ...activities: A
): Registry<Activity.NameOf<A[number]>, Activity.ServicesOf<A[number]>> => {
  const byName = new Map<string, Activity.Any>()
  const problems: Array<string> = []
  for (const activity of activities) {
    const { name, queue } = activity
    if (!isName(name)) problems.push(`${JSON.stringify(name)} is not a name: lower-case letters, digits and hyphens`)
    if (!isQueue(queue)) problems.push(`${JSON.stringify(queue)} is not a queue: letters, digits, dots, hyphens, _`)
    if (byName.has(name)) problems.push(`there are two activities named ${name}`)
    byName.set(name, activity)
  }
  if (problems.length > 0) throw new Error(`The registry cannot be used: ${problems.join("; ")}.`)
  return { names: (name) => name, activities, find: (name) => byName.get(name) }
}
