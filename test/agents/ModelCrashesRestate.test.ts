import * as Testing from "@tenon/testing/Testing"
import { aroundModels, modelCrashes } from "../support/modelCrashes.ts"

modelCrashes("over PostgreSQL and Restate", Testing.layerRestate, aroundModels)
