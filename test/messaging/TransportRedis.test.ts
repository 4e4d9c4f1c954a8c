import * as TransportRedis from "@tenon/messaging/TransportRedis"
import * as TransportLaws from "@tenon/testing/TransportLaws"
import { describe } from "@effect/vitest"
import { deleteStreams, listens, redisUrl } from "../support/Brokers.ts"

describe.skipIf(!(await listens(redisUrl)))("over Redis", () => {
  TransportLaws.suite("TransportRedis", TransportRedis.layer({ url: redisUrl, visibility: "1 second" }), deleteStreams)
})
