/**
 * How what branches have set becomes variables of the slip: rules that its manifest signs and every verifier applies.
 */
import type * as Envelope from "./Envelope.ts"
import type { Variable } from "./Variable.ts"

/** Makes a list of what the branches that ended well have set, in the order in which they are declared. */
export const collect = <A>(from: Variable<A>, into: Variable<ReadonlyArray<A>>): Envelope.Merge => ({
  type: "collect",
  from: from.name,
  into: into.name
})

/** Sets one object by the names of the branches that ended well, each with all that it has set. */
export const under = (into: string): Envelope.Merge => ({ type: "under", into })

/** Sets all that the branches have set. Where two have set the same, the one declared first or last counts. */
export const spread = (conflict: "first" | "last"): Envelope.Merge => ({ type: "spread", conflict })
