import * as SlipDatabase from "../support/SlipDatabase.ts"
import { suite } from "../support/slipRepositorySuite.ts"

suite("HopStoreSql", SlipDatabase.layer)
