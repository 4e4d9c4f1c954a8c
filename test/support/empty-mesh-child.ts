/** A mesh with nothing in it. */
import * as MeshConfig from "@tenon/cli/MeshConfig"
import * as Registry from "@tenon/routing-slip/Registry"
import { slow } from "./slow-mesh-child.ts"

export default MeshConfig.define({ title: "nothing", registry: Registry.make(...[slow].slice(1)) })
