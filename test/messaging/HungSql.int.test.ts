import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { suite } from "../support/hungSuite.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipTransport from "../support/SlipTransport.ts"

const over = Effect.map(SlipDatabase.make, ({ roles, url }) => ({
  url,
  layerOf: (through: string) => Layer.orDie(SlipTransport.over(through, roles))
}))

suite("PostgreSQL", true, over)
