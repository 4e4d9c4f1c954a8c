/** Applies the migrations of a directory and prints the names of those it applied, as JSON. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Migrations from "@tenon/sql/Migrations"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

const [, , url = "", directory = ""] = process.argv
const program = Migrations.up({ directory }).pipe(
  Effect.tap((applied) => Effect.sync(() => process.stdout.write(JSON.stringify(applied)))),
  Effect.provide(Layer.merge(NodeServices.layer, PgClient.layer({ url: Redacted.make(url), maxConnections: 2 })))
)
await Effect.runPromise(program)
