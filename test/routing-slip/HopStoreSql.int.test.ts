import * as HopStoreLaws from "@tenon/testing/HopStoreLaws"
import * as SlipDatabase from "../support/SlipDatabase.ts"

HopStoreLaws.suite("HopStoreSql", SlipDatabase.layer)
