import * as RuntimeMemory from "@tenon/core/RuntimeMemory"
import { runtimeLaws } from "@tenon/testing/RuntimeLaws"

runtimeLaws("RuntimeMemory", { runtime: RuntimeMemory.layer, clock: "test" })
