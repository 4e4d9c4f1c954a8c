import { suite } from "../support/expirySuite.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"

suite("HopStoreSql", SlipDatabase.layer)
