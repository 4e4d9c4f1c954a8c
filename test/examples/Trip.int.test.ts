import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { suite } from "../support/tripSuite.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipTransport from "../support/SlipTransport.ts"

suite("PostgreSQL", Layer.unwrap(Effect.map(SlipDatabase.make, ({ roles, url }) => SlipTransport.over(url, roles))))
