/**
 * Holds the version of each declared resource against the one that the database was migrated to (E3). A process that
 * differs must not serve the resource: it would write rows that the other release cannot read.
 */
import type { Registry } from "@tenon/core/Registry"
import * as Effect from "effect/Effect"
import * as Migrations from "./Migrations.ts"
import * as RecordedVersions from "./RecordedVersions.ts"

/** One failure per resource whose version differs; version 0 where the database does not know it. */
export const mismatches = RecordedVersions.mismatches

/** Applies pending migrations where a version differs, one process at a time, and returns what still differs. */
export const settle = Effect.fn("SchemaVersions.settle")(function* (registry: Registry, options: Migrations.UpOptions) {
  const before = yield* mismatches(registry)
  if (before.length === 0) return before
  yield* Migrations.up(options)
  return yield* mismatches(registry)
})

/** Fails with the first mismatch: for a process that serves all resources or none. */
export const requireAll = (registry: Registry) =>
  Effect.flatMap(mismatches(registry), ([first]) => (first === undefined ? Effect.void : Effect.fail(first)))
