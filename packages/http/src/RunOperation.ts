/** An operation of a run as it is shown: what and when, and whether it came to a failure. */
import { Kind, type Operation } from "@tenon/core/RunJournal"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

export const RunOperation = Schema.Struct({
  /** From 0, in the order in which the run began them. */
  index: Schema.Int,
  kind: Kind,
  name: Schema.String,
  startedAt: Schema.String,
  endedAt: Schema.String,
  failed: Schema.Boolean
}).annotate({ identifier: "RunOperation" })

export const of = ({ endedAt, index, kind, name, outcome, startedAt }: Operation): typeof RunOperation.Type => ({
  index,
  kind,
  name,
  startedAt: new Date(startedAt).toISOString(),
  endedAt: new Date(endedAt).toISOString(),
  failed: ["failure", "framework", "refused"].some((each) => Predicate.hasProperty(outcome, each))
})
