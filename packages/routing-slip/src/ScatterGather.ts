/**
 * The activity that begins the branches of a slip and gathers them. Put it into the registry of whoever builds slips
 * with branches, and of a worker: all workers of its queue have to share one store, as those of any queue do. It does
 * nothing itself, needs nothing, and its key signs that a step was split and how its branches were joined.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Activity from "./Activity.ts"

/**
 * Coordinates branches. Its argument, which nobody has, is what a compiler and a builder say of a step that names it.
 */
export const activity = Activity.make("scatter-gather", {
  description: "Begins the branches of a slip and gathers them",
  arguments: { "branches are made by RoutingSlip.scatter, and do not nest": Schema.Never },
  execute: () => Effect.die(new Error("this step has no branches"))
})
