/** The order example as a mesh: `tenon run` performs each of its activities in a process of its own. */
import * as MeshConfig from "@tenon/cli/MeshConfig"
import { registry } from "./Order.ts"
import * as ServicesSql from "./ServicesSql.ts"

export default MeshConfig.define({
  title: "orders",
  registry,
  services: ServicesSql.layerConfig,
  worker: { relay: { interval: "200 millis", grace: "2 seconds" } }
})
