/**
 * The framework's own tables, in the schema `tenon`. Those with a tenant are under the same row security as any
 * resource; the relay's role reads across tenants only what its work needs.
 *
 * - `positions`: the last number given per tenant, resource and parent (D6). `shared_positions` is the same for
 *   resources without a tenant.
 * - `receipts`: what an execution came to, by its idempotency key (X2).
 * - `outbox`: deliveries and events that were committed with their rows and wait for the relay (X8).
 * - `runs`, `run_journal`, `run_signals`: workflows' runs, what they have done, and what came for them. What a run did
 *   is a row per write, of as many operations as came together. `mirrored` are runs that another journal drives: these
 *   rows only tell of them. Texts of JSON are `text`, which can hold what `jsonb` cannot, such as an escaped NUL in the
 *   result of a step.
 * - `audit_log`: denials; the application can add and read, never change.
 * - `api_keys`: hashes only. The relay sees the one row whose hash it presents in `app.api_key_hash`.
 * - `tenants`: who there is; the application sees its own tenant, the relay keeps all.
 * - `removed_values`: what a removed field held, kept when its column is nulled (E2).
 * - `run_event_logs`, `run_events`: what may be watched of a run, numbered per run.
 * - Those of routing slips and queues: `MeshTables`.
 * - `_schema_versions`, `migrations`: what the database is at (E1, E3).
 */
import type { Table } from "./DatabaseModel.ts"
import {
  createdAt,
  now,
  ofTenant,
  optional,
  relayAll,
  required,
  table,
  tenantIsolation,
  value
} from "./FrameworkTable.ts"
import * as MeshTables from "./MeshTables.ts"
import * as SqlName from "./SqlName.ts"

/** In the order of their creation. */
export const tables: ReadonlyArray<Table> = [
  table("migrations", {
    columns: [
      required("name", "text"),
      required("checksum", "text"),
      required("applied_at", "timestamp with time zone", now)
    ],
    key: ["name"]
  }),
  table("_schema_versions", {
    columns: [
      required("resource", "text"),
      required("version", "bigint"),
      required("applied_at", "timestamp with time zone", now)
    ],
    key: ["resource"],
    grants: [
      { role: "app", privileges: ["select"] },
      { role: "relay", privileges: ["select"] }
    ]
  }),
  table("tenants", {
    tenantColumn: "id",
    columns: [required("id", "text"), required("name", "text"), required("status", "text", value("active")), createdAt],
    key: ["id"],
    checks: [
      {
        name: SqlName.derived("tenants", ["status"], "check"),
        column: "status",
        values: ["active", "suspended", "erased"]
      }
    ],
    policies: [tenantIsolation, relayAll],
    grants: [
      { role: "app", privileges: ["select"] },
      { role: "relay", privileges: ["select", "insert", "update"] }
    ]
  }),
  ofTenant("api_keys", {
    columns: [
      required("id", "text"),
      required("hash", "text"),
      required("name", "text"),
      required("roles", "text[]", value([])),
      createdAt,
      optional("expires_at", "timestamp with time zone"),
      optional("revoked_at", "timestamp with time zone")
    ],
    key: ["id"],
    uniques: [["tenant_id", "hash"]],
    indexes: [["hash"]],
    policies: [{ name: "presented_key", role: "relay", rows: "presented" }],
    grants: [
      { role: "app", privileges: ["select", "insert", "update"] },
      { role: "relay", privileges: ["select"] }
    ]
  }),
  ofTenant("positions", {
    columns: [required("resource", "text"), required("parent", "text"), required("value", "bigint")],
    key: ["resource", "parent"],
    grants: [{ role: "app", privileges: ["select", "insert", "update"] }]
  }),
  table("shared_positions", {
    columns: [required("resource", "text"), required("parent", "text"), required("value", "bigint")],
    key: ["resource", "parent"],
    grants: [{ role: "app", privileges: ["select", "insert", "update"] }]
  }),
  ofTenant("receipts", {
    columns: [
      required("key", "text"),
      required("action", "text"),
      required("fingerprint", "text"),
      required("outcome", "jsonb"),
      createdAt
    ],
    key: ["key"],
    indexes: [["created_at"]],
    policies: [relayAll],
    grants: [
      { role: "app", privileges: ["select", "insert"] },
      { role: "relay", privileges: ["select", "delete"] }
    ]
  }),
  ofTenant("outbox", {
    columns: [
      required("id", "bigint", { _tag: "Identity" }),
      required("kind", "text"),
      // What it is about: order is kept per object.
      required("object", "text"),
      required("actor", "jsonb"),
      required("body", "jsonb"),
      createdAt,
      required("due_at", "timestamp with time zone", now),
      required("attempts", "bigint", value(0)),
      optional("last_failure", "text"),
      // How it stands in its lanes: `OutboxClaim`.
      required("standing", "text", value("line"))
    ],
    key: ["id"],
    checks: [
      { name: SqlName.derived("outbox", ["kind"], "check"), column: "kind", values: ["delivery", "event"] },
      {
        name: SqlName.derived("outbox", ["standing"], "check"),
        column: "standing",
        values: ["line", "held", "later", "aside"]
      }
    ],
    indexes: [
      ["kind", "due_at", "id"],
      ["kind", "tenant_id", "due_at", "id"],
      ["kind", "tenant_id", "object", "standing", "id"],
      ["kind", "tenant_id", "created_at", "id"]
    ],
    policies: [relayAll],
    grants: [
      { role: "app", privileges: ["select", "insert"] },
      { role: "relay", privileges: ["select", "update", "delete"] }
    ]
  }),
  ofTenant("runs", {
    columns: [
      required("workflow", "text"),
      required("key", "text"),
      optional("id", "text"),
      optional("actor", "jsonb"),
      optional("input", "text"),
      required("status", "text", value("waiting")),
      optional("problem", "text"),
      // The fencing token of the newest claim.
      required("token", "bigint", value(0)),
      // When it may be claimed: it is due, or the lease of its claim has ended.
      required("due_at", "timestamp with time zone", now),
      optional("began_at", "timestamp with time zone"),
      required("failures", "bigint", value(0)),
      // How many claims in a row have ended with no word of their worker.
      required("lost", "bigint", value(0)),
      // Grows with every signal and cancellation.
      required("mail", "bigint", value(0)),
      required("cancelled", "boolean", value(false)),
      required("mirrored", "boolean", value(false)),
      optional("fork", "text"),
      // The span that it was started in.
      optional("trace", "text"),
      createdAt
    ],
    key: ["workflow", "key"],
    checks: [
      {
        name: SqlName.derived("runs", ["status"], "check"),
        column: "status",
        values: ["waiting", "running", "paused", "done", "failed", "cancelled"]
      }
    ],
    indexes: [["lost", "due_at"]],
    policies: [relayAll],
    grants: [
      { role: "app", privileges: ["select", "insert", "update"] },
      { role: "relay", privileges: ["select", "update"] }
    ]
  }),
  ofTenant("run_journal", {
    columns: [
      required("workflow", "text"),
      required("key", "text"),
      // How many were journaled before, in an order which a replay repeats.
      required("seq", "bigint"),
      required("length", "bigint"),
      // JSON, each as `RunJournal` has it.
      required("operations", "text")
    ],
    key: ["workflow", "key", "seq"],
    grants: [{ role: "app", privileges: ["select", "insert"] }]
  }),
  ofTenant("run_signals", {
    columns: [
      required("workflow", "text"),
      required("key", "text"),
      required("name", "text"),
      required("payload", "text"),
      createdAt
    ],
    key: ["workflow", "key", "name"],
    grants: [{ role: "app", privileges: ["select", "insert"] }]
  }),
  ofTenant("audit_log", {
    columns: [
      required("id", "bigint", { _tag: "Identity" }),
      required("actor", "jsonb"),
      required("action", "text"),
      optional("key", "text"),
      required("reason", "text"),
      createdAt
    ],
    key: ["id"],
    indexes: [["tenant_id", "created_at"]],
    grants: [{ role: "app", privileges: ["select", "insert"] }]
  }),
  ofTenant("removed_values", {
    columns: [
      required("resource", "text"),
      required("key", "text"),
      required("field", "text"),
      required("value", "jsonb"),
      required("removed_at", "timestamp with time zone", now)
    ],
    key: ["resource", "field", "key", "removed_at"],
    grants: [{ role: "app", privileges: ["select"] }]
  }),
  ofTenant("run_event_logs", {
    columns: [
      required("run", "text"),
      required("last_seq", "bigint"),
      required("updated_at", "timestamp with time zone", now)
    ],
    key: ["run"],
    indexes: [["tenant_id", "updated_at"]],
    grants: [{ role: "app", privileges: ["select", "insert", "update", "delete"] }]
  }),
  ofTenant("run_events", {
    columns: [
      required("run", "text"),
      required("seq", "bigint"),
      // An event with a key is kept once per run.
      optional("key", "text"),
      required("type", "text"),
      required("data", "jsonb"),
      createdAt
    ],
    key: ["run", "seq"],
    uniques: [["tenant_id", "run", "key"]],
    grants: [{ role: "app", privileges: ["select", "insert", "delete"] }]
  }),
  ...MeshTables.tables
]
