import * as TransportRabbitMq from "@tenon/messaging/TransportRabbitMq"
import * as TransportLaws from "@tenon/testing/TransportLaws"
import { describe } from "@effect/vitest"
import { deleteQueues, listens, rabbitUrl } from "../support/Brokers.ts"

describe.skipIf(!(await listens(rabbitUrl)))("over RabbitMQ", () => {
  TransportLaws.suite("TransportRabbitMq", TransportRabbitMq.layer({ url: rabbitUrl }), deleteQueues)
})
