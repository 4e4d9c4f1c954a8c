import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import { suite } from "../support/lostClaimSuite.ts"

suite("HopStoreMemory", HopStoreMemory.layer)
