import * as Testing from "@tenon/testing/Testing"
import { registry, values } from "../support/valuesSuite.ts"

values("in memory", Testing.layer(registry))
