import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import * as HopStoreLaws from "@tenon/testing/HopStoreLaws"

HopStoreLaws.suite("HopStoreMemory", HopStoreMemory.layer)
