import type * as DatabaseModel from "@tenon/sql/DatabaseModel"
import * as Ddl from "@tenon/sql/Ddl"
import * as Migrations from "@tenon/sql/Migrations"
import * as ModelDiff from "@tenon/sql/ModelDiff"
import { registry } from "@tenon/testing/RepositoryLaws"
import { eventually } from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as OutboxWorld from "../support/outboxWorld.ts"
import * as Scratch from "../support/ScratchDatabase.ts"
import * as StoreDatabase from "../support/StoreDatabase.ts"

/** The outbox of the release before deliveries had a standing. */
const earlier = (table: DatabaseModel.Table): DatabaseModel.Table =>
  table.schema === "tenon" && table.name === "outbox"
    ? {
        ...table,
        columns: table.columns.filter(({ name }) => name !== "standing"),
        checks: table.checks.filter(({ column }) => column !== "standing"),
        indexes: [
          { name: "outbox__kind__due_at__id__idx", columns: ["kind", "due_at", "id"], unique: false },
          {
            name: "outbox__kind__tenant_id__object__id__idx",
            columns: ["kind", "tenant_id", "object", "id"],
            unique: false
          }
        ]
      }
    : table

/** A row as that release has written it. */
const row = (object: string, due = "now()", attempts = 0) =>
  "insert into tenon.outbox (tenant_id, kind, object, actor, body, due_at, attempts) values ('t', 'delivery', " +
  `'Topic/${object}', '{"id":"u","tenantId":"t","kind":"user","roles":[]}', ` +
  `'{"_tag":"Send","resource":"Topic","action":"post","key":"${object}","input":null,"delayMillis":0}', ${due}, ${attempts})`

it.live(
  "what waits in the outbox of an earlier release goes out in order",
  () =>
    Effect.gen(function* () {
      const database = yield* Scratch.scratch()
      const model = Ddl.fromRegistry(registry, database.names)
      const before = { ...model, tables: model.tables.map(earlier) }
      const { plan } = ModelDiff.diff(before, model)
      assert.deepStrictEqual(plan.hazards, [])
      const run = (statements: ReadonlyArray<string>) => Scratch.run(...statements).pipe(Scratch.on(database))
      yield* run(ModelDiff.everything(before))
      yield* run([
        row("waiting"),
        row("failing", "now() + interval '1 second'", 3),
        row("failing"),
        row("delayed", "now() + interval '1 hour'"),
        row("delayed"),
        row("aside", "'infinity'", 10),
        row("aside"),
        // Claimed by a relay of that release, which has died.
        row("claimed", "now() + interval '1 second'", 1),
        row("claimed")
      ])
      const steps = [...plan.change, ...plan.validate, ...plan.concurrent]
      yield* run(steps.flatMap(({ statements }) => statements))
      assert.deepStrictEqual(yield* Migrations.audit({ registry, ...database.names }).pipe(Scratch.on(database)), [])
      // However long that took.
      yield* run(["update tenon.outbox set due_at = now() + interval '2 seconds' where id in (2, 8)"])

      const delivered: Array<string> = []
      const left = Effect.gen(function* () {
        yield* OutboxWorld.relay(({ id }) => Effect.sync(() => void delivered.push(id)))
        yield* eventually(
          Effect.sync(() => delivered),
          ({ length }) => length === 7
        )
        yield* Effect.sleep("300 millis")
        return yield* StoreDatabase.admin("select id::int, standing from tenon.outbox order by id")
      }).pipe(Effect.provideService(StoreDatabase.StoreDatabase, database))
      assert.deepStrictEqual(yield* left, [
        { id: 4, standing: "line" },
        { id: 6, standing: "line" }
      ])
      assert.deepStrictEqual(delivered.slice(0, 3), ["1", "5", "7"])
      const late = ["2", "3", "8", "9"].map((id) => delivered.indexOf(id))
      assert.isBelow(late[0] ?? NaN, late[1] ?? NaN)
      assert.isBelow(late[2] ?? NaN, late[3] ?? NaN)
    }).pipe(Effect.scoped),
  30_000
)
