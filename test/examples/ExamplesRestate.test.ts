import * as Testing from "@tenon/testing/Testing"
import { examples } from "../support/exampleSuite.ts"

examples("over PostgreSQL and Restate", Testing.layerRestate)
