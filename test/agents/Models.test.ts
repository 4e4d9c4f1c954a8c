import * as Testing from "@tenon/testing/Testing"
import { models } from "../support/modelSuite.ts"

models("in memory", Testing.layer)
