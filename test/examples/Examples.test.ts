import * as Testing from "@tenon/testing/Testing"
import { examples } from "../support/exampleSuite.ts"

examples("in memory", Testing.layer)
