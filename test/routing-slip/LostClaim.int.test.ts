import { suite } from "../support/lostClaimSuite.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"

suite("HopStoreSql", SlipDatabase.layer)
