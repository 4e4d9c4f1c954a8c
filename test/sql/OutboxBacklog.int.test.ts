import * as OutboxWorld from "../support/outboxWorld.ts"
import * as StoreDatabase from "../support/StoreDatabase.ts"
import { eventually } from "@tenon/testing/Testing"
import { layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"

const backlog =
  "insert into tenon.outbox (tenant_id, kind, object, actor, body, created_at) " +
  'select \'t\', \'delivery\', \'Topic/\' || n, \'{"id":"u","tenantId":"t","kind":"user","roles":[]}\', ' +
  "jsonb_build_object('_tag', 'Send', 'resource', 'Topic', 'action', 'post', 'key', n::text, 'input', null, 'delayMillis', 0), " +
  "now() + n * interval '1 microsecond' from generate_series(1, 20000) as n"

suite(StoreDatabase.layer, { timeout: 60_000, excludeTestServices: true })("a backlog", (it) => {
  it.effect("goes out at once, though the database has never looked at what is in the table", () =>
    Effect.gen(function* () {
      yield* StoreDatabase.admin("alter table tenon.outbox set (autovacuum_enabled = off)", backlog)
      let delivered = 0
      yield* OutboxWorld.relay(() => Effect.sync(() => void delivered++))
      yield* eventually(
        Effect.sync(() => delivered),
        (count) => count >= 1000,
        { within: "10 seconds" }
      )
    }).pipe(Effect.scoped)
  )
})
