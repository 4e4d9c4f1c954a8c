import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import { suite } from "../support/slipRepositorySuite.ts"

suite("HopStoreMemory", HopStoreMemory.layer)
