/**
 * A directory in PostgreSQL, in the framework's table `tenon.mesh_things`: workers and planners share it, as all
 * tenants do.
 */
import { Unavailable } from "@tenon/core/Failure"
import { type Statement, Transactions } from "@tenon/messaging/Transactions"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Directory, search } from "./Directory.ts"
import type { Thing } from "./ThingDescription.ts"

const now = "statement_timestamp()"
const publish = `insert into tenon.mesh_things (id, description, good_until)
  values ($1, $2, ${now} + make_interval(secs => $3))
  on conflict (id) do update set description = excluded.description, good_until = excluded.good_until`
const withdraw = "delete from tenon.mesh_things where id = $1"
const forget = `delete from tenon.mesh_things where good_until <= ${now}`
const list = `select description from tenon.mesh_things where good_until > ${now}`

/** `relayRole`: the role that may work on the table. */
export const layer = ({
  relayRole: role
}: {
  readonly relayRole: string
}): Layer.Layer<Directory, never, Transactions> =>
  Layer.effect(
    Directory,
    Effect.gen(function* () {
      const sql = yield* Transactions
      const run = (...statements: ReadonlyArray<Statement>) =>
        Effect.mapError(
          sql.batch({ tenantId: null, role }, statements),
          () => new Unavailable({ what: "The directory" })
        )
      return Directory.of({
        publish: (thing, goodForMillis) =>
          Effect.asVoid(
            run(
              { sql: forget, params: [] },
              { sql: publish, params: [thing.id, JSON.stringify(thing), goodForMillis / 1000] }
            )
          ),
        withdraw: (id) => Effect.asVoid(run({ sql: withdraw, params: [id] })),
        find: (query) =>
          Effect.map(run({ sql: list, params: [] }), ([rows = []]) =>
            search(
              rows.map(({ description }): Thing => JSON.parse(String(description))),
              query
            )
          )
      })
    })
  )
