/**
 * The tables of routing slips (`HopStoreSql` of `@tenon/routing-slip`) and of queues (`TransportSql` of
 * `@tenon/messaging`). A queue carries the messages of all tenants and is the relay's alone: the application's role has
 * no grant on it.
 *
 * - `slips`: how each stands, with its newest message. `stands` is what `status` is while no step of it is set aside,
 * as `halted` counts them.
 * - `slip_hops`: one phase of one step. `pending_at` is when the relay is to look at its message, if it is.
 * - `slip_heads`: which entry of a signed log was accepted at each place of each branch.
 * - `slip_events`: what happened, in order.
 * - `slip_arrivals`: the branches that have come to their gather, in the order in which they came.
 * - `slip_cancellations`: who has called off a slip (scope `""`) or what is left of a scatter (`"3."`).
 * - `purged_slips`: those that were over for so long that all the rest of them is gone. Nothing of them is done again.
 * - `queue_messages`: what waits or is in hand; `token` fences off a subscriber that has lost its lease.
 * - `dead_letters`: what was set aside.
 * - `mesh_things`: what workers say they can do, until when (`DirectorySql`); no tenant's, as the workers are all
 * tenants'.
 */
import type { Grant, Table } from "./DatabaseModel.ts"
import { createdAt, ofTenant, optional, relayAll, required, table, value } from "./FrameworkTable.ts"
import * as SqlName from "./SqlName.ts"

const appGrants: ReadonlyArray<Grant> = [{ role: "app", privileges: ["select", "insert", "update"] }]
/** The relay purges what is over. */
const purged = {
  policies: [relayAll],
  grants: [...appGrants, { role: "relay", privileges: ["select", "delete"] }] satisfies ReadonlyArray<Grant>
}

/** In the order of their creation. */
export const tables: ReadonlyArray<Table> = [
  ofTenant("slips", {
    columns: [
      required("correlation_id", "text"),
      required("status", "text"),
      required("stands", "text"),
      required("halted", "bigint", value(0)),
      required("activity", "text"),
      required("updated_at", "bigint"),
      required("body", "bytea")
    ],
    key: ["correlation_id"],
    indexes: [["tenant_id", "updated_at"]],
    ...purged
  }),
  ofTenant("slip_hops", {
    columns: [
      required("correlation_id", "text"),
      required("step", "text"),
      required("phase", "text"),
      required("digest", "text"),
      required("status", "text"),
      required("token", "bigint", value(0)),
      required("claims", "bigint", value(0)),
      required("failures", "bigint", value(0)),
      required("uncertain", "boolean", value(false)),
      required("due_at", "timestamp with time zone"),
      required("published_at", "timestamp with time zone"),
      optional("pending_at", "timestamp with time zone"),
      optional("skipped_by", "text"),
      optional("queue", "text"),
      optional("message_id", "text"),
      optional("body", "bytea")
    ],
    key: ["correlation_id", "step", "phase"],
    checks: [
      {
        name: SqlName.derived("slip_hops", ["status"], "check"),
        column: "status",
        values: ["claimed", "waiting", "undoing", "halted", "suspended", "done"]
      }
    ],
    indexes: [["pending_at"]],
    policies: [relayAll],
    grants: [...appGrants, { role: "relay", privileges: ["select", "update", "delete"] }]
  }),
  ofTenant("slip_heads", {
    columns: [
      required("correlation_id", "text"),
      required("branch", "text"),
      required("place", "bigint"),
      required("digest", "text")
    ],
    key: ["correlation_id", "branch", "place"],
    ...purged
  }),
  ofTenant("slip_events", {
    columns: [
      required("correlation_id", "text"),
      required("seq", "bigint", { _tag: "Identity" }),
      required("type", "text"),
      required("step", "text"),
      required("activity", "text"),
      required("detail", "text"),
      required("at", "bigint")
    ],
    key: ["correlation_id", "seq"],
    ...purged
  }),
  ofTenant("slip_arrivals", {
    columns: [
      required("correlation_id", "text"),
      required("gather", "text"),
      required("position", "bigint"),
      required("branch", "text"),
      required("body", "bytea")
    ],
    key: ["correlation_id", "gather", "position"],
    uniques: [["tenant_id", "correlation_id", "gather", "branch"]],
    ...purged
  }),
  ofTenant("slip_cancellations", {
    columns: [required("correlation_id", "text"), required("scope", "text"), required("cancelled_by", "text")],
    key: ["correlation_id", "scope"],
    ...purged
  }),
  ofTenant("purged_slips", {
    columns: [required("correlation_id", "text")],
    key: ["correlation_id"],
    policies: [relayAll],
    grants: [
      { role: "app", privileges: ["select"] },
      { role: "relay", privileges: ["select", "insert"] }
    ]
  }),
  table("queue_messages", {
    columns: [
      required("id", "bigint", { _tag: "Identity" }),
      required("queue", "text"),
      required("message_id", "text"),
      required("body", "bytea"),
      required("deliveries", "bigint", value(0)),
      required("token", "bigint", value(0)),
      required("ready_at", "timestamp with time zone")
    ],
    key: ["id"],
    indexes: [["queue", "ready_at", "id"]],
    grants: [{ role: "relay", privileges: ["select", "insert", "update", "delete"] }]
  }),
  table("dead_letters", {
    columns: [
      required("id", "bigint", { _tag: "Identity" }),
      required("queue", "text"),
      required("message_id", "text"),
      required("body", "bytea"),
      required("reason", "text"),
      required("detail", "text"),
      required("fingerprint", "text"),
      createdAt
    ],
    key: ["id"],
    indexes: [["queue", "id"]],
    grants: [{ role: "relay", privileges: ["select", "insert", "delete"] }]
  }),
  table("mesh_things", {
    columns: [
      required("id", "text"),
      required("description", "text"),
      required("good_until", "timestamp with time zone")
    ],
    key: ["id"],
    grants: [{ role: "relay", privileges: ["select", "insert", "update", "delete"] }]
  })
]
