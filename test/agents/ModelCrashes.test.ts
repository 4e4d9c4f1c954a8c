import * as Testing from "@tenon/testing/Testing"
import { modelCrashes } from "../support/modelCrashes.ts"

modelCrashes("in memory", Testing.layer)
