import * as Testing from "@tenon/testing/Testing"
import { models } from "../support/modelSuite.ts"

models("over PostgreSQL and Restate", Testing.layerRestate)
