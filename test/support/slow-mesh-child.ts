/** A mesh whose one activity takes its time, for tests of stopping. */
import * as MeshConfig from "@tenon/cli/MeshConfig"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Registry from "@tenon/routing-slip/Registry"
import * as Effect from "effect/Effect"

export const slow = Activity.make("slow", {
  arguments: {},
  execute: () => Effect.log("begun").pipe(Effect.andThen(Effect.sleep("3 seconds")))
})

export const registry = Registry.make(slow)

export default MeshConfig.define({ title: "slow", registry })
