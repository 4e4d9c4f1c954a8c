import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import { runForkLaws } from "@tenon/testing/RunForkLaws"

runForkLaws("RuntimeMemory", { runtime: RuntimeMemory.layerWith({ idle: "20 millis" }) })
