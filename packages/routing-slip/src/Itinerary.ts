/** The steps of a slip as its builder has them, and as its manifest does. */
import type { Failure } from "@tenon/core/Failure"
import * as Issues from "@tenon/core/Issues"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Planned } from "./ActivityContext.ts"
import type * as Envelope from "./Envelope.ts"
import { isCarriable, uncarriable } from "./EnvelopeCheck.ts"
import * as JsonForm from "./JsonForm.ts"
import type { Refused } from "./Refused.ts"
import * as ScatterGather from "./ScatterGather.ts"
import type { Place } from "./Security.ts"

/** Encrypts for the activities of a slip; made by `Encryption.sealer`. */
export interface Sealer {
  readonly conceal: (place: Place, data: Schema.Json) => Effect.Effect<Envelope.Sealed, Refused | Failure>
}

/** How branches are gathered. */
export interface ScatterOptions {
  /** How many have to end well: all of them (the default), any one, or so many. */
  readonly gather?: "all" | "any" | { readonly quorum: number }
  /** How long they may take; then the gather fails. Default: as long as the slip may. */
  readonly within?: Duration.Input
  /** What becomes of a branch that ends well after others have decided the matter. Default `compensate`. */
  readonly late?: Envelope.Scatter["late"]
  /** Whether branches are undone one after the other, the last to arrive first (the default), or all at once. */
  readonly undo?: Envelope.Scatter["undo"]
  /** What becomes of what they have set, made by `Merge`. Default: it is dropped. */
  readonly merge?: ReadonlyArray<Envelope.Merge>
}

/** A step, or branches. */
export type Part =
  | Planned
  | { readonly branches: { readonly [name: string]: ReadonlyArray<Planned> }; readonly options: ScatterOptions }

interface Issue {
  readonly path: string
  readonly message: string
}

/** The slip that steps are for, and how their arguments are encrypted, if they are. */
export interface Destination extends Pick<Place, "tenantId" | "correlationId"> {
  readonly sealer: Sealer | undefined
}

/** Where steps are encoded and encrypted for, and what is wrong with them so far. */
interface Encoding {
  readonly destination: Destination
  readonly issues: Array<Issue>
}

const encodeStep = Effect.fnUntraced(function* (
  encoding: Encoding,
  name: string,
  { activity, arguments: given, timeoutMillis }: Planned
) {
  const { destination, issues } = encoding
  const data = yield* dataOf(encoding, `${name}.${activity.name}`, activity, given)
  const { correlationId, sealer, tenantId } = destination
  const place = { tenantId, correlationId, activity: activity.name, step: name, phase: "execute" } as const
  const sealed =
    sealer === undefined || issues.length > 0 ? { data, encrypted: false } : yield* sealer.conceal(place, data)
  const step: Envelope.BranchStep = {
    step: name,
    activity: activity.name,
    queue: activity.queue,
    arguments: sealed.data,
    encrypted: sealed.encrypted,
    timeout_ms: timeoutMillis
  }
  return step
})

/** Arguments as JSON; null where they are not as the activity wants them. */
const dataOf = Effect.fnUntraced(function* (
  { issues }: Encoding,
  place: string,
  activity: Planned["activity"],
  given: unknown
) {
  const encoded = yield* Effect.result(JsonForm.encode(activity.arguments, given))
  if (encoded._tag === "Failure") {
    for (const { path, message } of Issues.fromSchema(encoded.failure)) {
      issues.push({ path: `${place}.${path}`, message })
    }
    return null
  }
  if (isCarriable(encoded.success)) return encoded.success
  issues.push({ path: place, message: uncarriable })
  return null
})

const wantedOf = (gather: ScatterOptions["gather"], branches: number): number => {
  if (gather === undefined || gather === "all") return branches
  return gather === "any" ? 1 : gather.quorum
}

const scatterOf = Effect.fnUntraced(function* (
  encoding: Encoding,
  name: string,
  { branches, options }: Exclude<Part, Planned>
) {
  const found: Array<Envelope.Scatter["branches"][number]> = []
  for (const [index, [branchName, steps]] of Object.entries(branches).entries()) {
    const branch = `${name}.${index + 1}`
    const itinerary: Array<Envelope.BranchStep> = []
    for (const [place, each] of steps.entries())
      itinerary.push(yield* encodeStep(encoding, `${branch}.${place + 1}`, each))
    found.push({ branch, name: branchName, itinerary })
  }
  const { gather, late = "compensate", merge = [], undo = "reverse", within } = options
  const wanted = wantedOf(gather, found.length)
  if (found.length === 0) encoding.issues.push({ path: name, message: "a scatter needs at least one branch" })
  else if (!Number.isInteger(wanted) || wanted < 1 || wanted > found.length) {
    encoding.issues.push({ path: name, message: `of ${found.length} branches ${wanted} cannot be gathered` })
  }
  const { name: activity, queue } = ScatterGather.activity
  const step: Envelope.Step = {
    step: name,
    activity,
    queue,
    arguments: {},
    encrypted: false,
    timeout_ms: within === undefined ? null : Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(within))),
    scatter: { branches: found, wanted, late, undo, merge }
  }
  return step
})

/** The steps as a manifest has them, and what is wrong with them, by step, activity and argument. */
export const encode = Effect.fnUntraced(function* (parts: ReadonlyArray<Part>, destination: Destination) {
  const encoding: Encoding = { destination, issues: [] }
  const itinerary: Array<Envelope.Step> = []
  for (const [index, part] of parts.entries()) {
    const name = String(index + 1)
    itinerary.push(
      "branches" in part ? yield* scatterOf(encoding, name, part) : yield* encodeStep(encoding, name, part)
    )
  }
  const none = { path: "", message: "a slip needs at least one step" }
  const issues = parts.length === 0 ? [none] : encoding.issues
  return { itinerary, issues }
})
