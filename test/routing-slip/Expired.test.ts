import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import { suite } from "../support/expirySuite.ts"

suite("HopStoreMemory", HopStoreMemory.layer)
