/** `tenon migrate`: generate, apply, list and check the migrations of an application. */
import * as AdminSql from "@tenon/sql/AdminSql"
import * as MigrationRun from "@tenon/sql/MigrationRun"
import * as Migrations from "@tenon/sql/Migrations"
import * as MigrationUndo from "@tenon/sql/MigrationUndo"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ConfigFile from "./ConfigFile.ts"
import * as Output from "./Output.ts"
import { print, root } from "./Root.ts"

/** `tenon migrate check` found something; what it found is printed before. */
class ChecksFailed extends Schema.TaggedError<ChecksFailed>()("ChecksFailed", { count: Schema.Int }) {
  override get message() {
    return `${this.count} ${this.count === 1 ? "thing differs" : "things differ"} between declarations, migrations and database.`
  }
}

const application = Effect.gen(function* () {
  const { config } = yield* root
  const loaded = yield* ConfigFile.load(config)
  return { registry: loaded.registry, directory: loaded.migrations }
})

const generate = Command.make(
  "generate",
  {
    name: Flag.String("name").pipe(Flag.withDescription("What the migration does, for its file name"), Flag.optional),
    dryRun: Flag.Boolean("dry-run").pipe(Flag.withDescription("Print and write nothing"), Flag.withDefault(false)),
    approve: Flag.String("approve").pipe(
      Flag.withDescription("A hazard to go through with, by the name it was refused with; may be repeated"),
      Flag.atLeast(0)
    )
  },
  Effect.fn(function* ({ approve, dryRun, name }) {
    const where = yield* application
    const generated = yield* Migrations.generate({
      ...where,
      dryRun,
      approve,
      ...(Option.isSome(name) ? { name: name.value } : {})
    })
    const text =
      generated.files.length === 0
        ? "Nothing to do: the migrations are up to the declarations."
        : [
            ...generated.warnings.map((each) => `Warning: ${each}.`),
            ...generated.files.map((file) =>
              dryRun ? `-- ${file.name}\n${file.sql}` : `Wrote ${where.directory}/${file.name}`
            )
          ].join("\n")
    yield* print(generated, text)
  })
).pipe(Command.withDescription("Write the SQL from the last migration to the declarations; needs no database"))

const up = Command.make(
  "up",
  {},
  Effect.fn(function* () {
    const { directory } = yield* application
    const { adopted, applied } = yield* Effect.all({
      adopted: Migrations.adopt({ directory }),
      applied: Migrations.up({ directory })
    }).pipe(Effect.provide(AdminSql.layerConfig))
    const lines = [
      ...adopted.map((each) => `Adopted ${each}: the database is already as it says`),
      ...applied.map((each) => `Applied ${each}`)
    ]
    yield* print({ adopted, applied }, lines.join("\n") || "Nothing to apply.")
  })
).pipe(Command.withDescription("Apply what is pending, one process at a time"))

const status = Command.make(
  "status",
  {},
  Effect.fn(function* () {
    const { directory } = yield* application
    const files = yield* Migrations.status({ directory }).pipe(Effect.provide(AdminSql.layerConfig))
    const rows = files.map((each) => [each.state, each.name, each.appliedAt ?? ""])
    const text =
      files.length === 0
        ? "There are no migrations yet; `tenon migrate generate` writes the first."
        : Output.table(["STATE", "MIGRATION", "APPLIED"], rows)
    yield* print(files, text)
    const conflict = MigrationRun.fault(files)
    if (conflict !== undefined) return yield* conflict
  })
).pipe(Command.withDescription("List the migrations and which are applied; fails where one was changed or lost since"))

const leftover = "Where an index of it failed to build, what was built stays: `tenon migrate check` says what to drop."

const undo = Command.make(
  "undo",
  {},
  Effect.fn(function* () {
    const { directory } = yield* application
    const database = yield* Config.option(AdminSql.url)
    const applied = Option.isSome(database)
      ? yield* MigrationRun.applied().pipe(Effect.provide(AdminSql.layerConfig))
      : []
    const { removed } = yield* MigrationUndo.undo({ directory, applied })
    const lines = removed.map((each) => `Took back ${each}`)
    const notes = [
      ...(Option.isSome(database) ? [] : ["No database is set, so none was asked whether it is applied there."]),
      ...(removed.some((each) => each.endsWith("_indexes.sql")) ? [leftover] : [])
    ]
    yield* print({ removed }, [...lines, ...notes].join("\n"))
  })
).pipe(
  Command.withDescription("Take back what was generated last, where it was never applied: the files and the snapshot")
)

const check = Command.make(
  "check",
  {},
  Effect.fn(function* () {
    const { directory, registry } = yield* application
    const findings = yield* Migrations.check({ directory, registry }).pipe(Effect.provide(AdminSql.layerConfig))
    const text =
      findings.length === 0
        ? "Declarations, migrations and database agree, policies and grants included."
        : findings.map(({ mend, place, problem }) => `${place}: ${problem}. ${mend}.`).join("\n")
    yield* print(findings, text)
    if (findings.length > 0) return yield* new ChecksFailed({ count: findings.length })
  })
).pipe(Command.withDescription("Find drift between declarations, migrations and the live catalogue; for CI"))

export const migrate = Command.make("migrate").pipe(
  Command.withDescription("Generate, apply, list, check and take back migrations"),
  Command.withSubcommands([generate, up, status, check, undo])
)
