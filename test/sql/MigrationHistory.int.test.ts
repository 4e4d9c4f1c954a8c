import * as Field from "@tenon/core/Field"
import * as Registry from "@tenon/core/Registry"
import * as Resource from "@tenon/core/Resource"
import * as MigrationRun from "@tenon/sql/MigrationRun"
import * as Migrations from "@tenon/sql/Migrations"
import * as MigrationUndo from "@tenon/sql/MigrationUndo"
import type { NodeServices } from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Scratch from "../support/ScratchDatabase.ts"

const bookOf = (version: number, unique: boolean, more: Schema.Struct.Fields = {}) =>
  Registry.make({
    resources: [
      Resource.make("Book", {
        version,
        fields: { id: Field.Id, title: Schema.String, ...more },
        ...(unique ? { identities: { title: ["title"] } } : {}),
        actions: () => ({})
      })
    ]
  })

const fixture = Effect.gen(function* () {
  const database = yield* Scratch.scratch()
  const directory = yield* Scratch.directory
  const fs = yield* FileSystem.FileSystem
  const on = Scratch.on(database)
  return {
    database,
    on,
    write: (name: string, sql: string) => fs.writeFileString(`${directory}/${name}`, sql),
    read: (name: string) => fs.readFileString(`${directory}/${name}`),
    remove: (name: string) => fs.remove(`${directory}/${name}`),
    names: Effect.map(fs.readDirectory(directory), (names) => names.toSorted()),
    generate: (registry: Registry.Registry) => Migrations.generate({ registry, directory, ...database.names }),
    check: (registry: Registry.Registry) => on(Migrations.check({ registry, directory, ...database.names })),
    status: on(Migrations.status({ directory })),
    up: on(Migrations.up({ directory })),
    undo: MigrationUndo.undo({ directory }),
    undoWithDatabase: on(
      Effect.flatMap(MigrationRun.applied(), (applied) => MigrationUndo.undo({ directory, applied }))
    )
  }
})

const live = (name: string, test: () => Effect.Effect<void, unknown, NodeServices | Scope.Scope>) =>
  it.live(name, () => test().pipe(Effect.scoped, Effect.provide(Scratch.services)), 60_000)

const messageOf = <R>(effect: Effect.Effect<unknown, { readonly message: string }, R>) =>
  Effect.match(effect, {
    onSuccess: (value) => `succeeded: ${JSON.stringify(value)}`,
    onFailure: ({ message }) => message
  })

describe("The history of migrations", () => {
  live(
    "a generated file that is deleted is missed by every command, and can be taken back where it was never applied",
    () =>
      Effect.gen(function* () {
        const { check, database, generate, names, on, remove, status, undo, up } = yield* fixture
        yield* generate(bookOf(1, false))
        yield* up
        yield* on(
          Scratch.as(database.names.appRole, "a", "insert into books (id, title) values ('1', 'Same'), ('2', 'Same')")
        )
        yield* generate(bookOf(2, true))
        assert.match(yield* messageOf(up), /0002_.*could not create unique index/)
        yield* remove("0002_books_by_tenant_id_indexes.sql")
        // The last of them, with nothing after it to leave a gap.
        const found = yield* Effect.all([
          messageOf(generate(bookOf(2, true))),
          messageOf(check(bookOf(2, true))),
          messageOf(status),
          messageOf(up)
        ])
        for (const message of found) {
          assert.match(message, /^0002_books_by_tenant_id_indexes\.sql: it was generated and is not among the files\. /)
          assert.include(message, "tenon migrate undo")
        }
        assert.deepStrictEqual(yield* undo, { removed: ["0002_books_by_tenant_id_indexes.sql"] })
        assert.deepStrictEqual(yield* names, ["0001_init.sql", "snapshot.json"])
        yield* generate(bookOf(2, false))
        yield* up
        yield* on(Scratch.run("drop index if exists books__title__key"))
        assert.deepStrictEqual(yield* check(bookOf(2, false)), [])
      })
  )

  live("though another was generated since, each generation can be taken back in turn", () =>
    Effect.gen(function* () {
      const { generate, names, read, remove, undo, up } = yield* fixture
      yield* generate(bookOf(1, false))
      const first = yield* read("snapshot.json")
      yield* generate(bookOf(2, false, { note: Schema.optionalKey(Schema.String) }))
      const second = yield* read("snapshot.json")
      // Only the table that changed is kept as it was.
      const [, { before }] = JSON.parse(second).history
      assert.deepStrictEqual(
        before.tables.flatMap((table: string | { readonly name: string }) =>
          typeof table === "string" ? [] : [table.name]
        ),
        ["books"]
      )
      yield* generate(bookOf(3, true, { note: Schema.optionalKey(Schema.String) }))
      yield* remove("0002_new_column_books_note.sql")
      assert.match(yield* messageOf(up), /^0002_new_column_books_note\.sql: it was generated and is not among/)
      yield* undo
      assert.deepStrictEqual(JSON.parse(yield* read("snapshot.json")), JSON.parse(second))
      yield* undo
      assert.deepStrictEqual(JSON.parse(yield* read("snapshot.json")), JSON.parse(first))
      yield* undo
      assert.deepStrictEqual(yield* names, [])
      assert.match(yield* messageOf(undo), /nothing.*generated/i)
    })
  )

  live("what was applied is not taken back, nor what has a file of one's own after it", () =>
    Effect.gen(function* () {
      const { generate, undo, undoWithDatabase, up, write } = yield* fixture
      yield* generate(bookOf(1, false))
      yield* up
      assert.match(yield* messageOf(undoWithDatabase), /^0001_init\.sql: it is applied to this database\. /)
      yield* write("0002_mine.sql", "select 1")
      assert.match(yield* messageOf(undo), /^0002_mine\.sql: it comes after/)
    })
  )

  live("a snapshot that remembers no generation says how to go back with version control", () =>
    Effect.gen(function* () {
      const { generate, read, undo, write } = yield* fixture
      yield* generate(bookOf(1, false))
      const { format, model } = JSON.parse(yield* read("snapshot.json"))
      yield* write("snapshot.json", JSON.stringify({ format, model }))
      assert.match(yield* messageOf(undo), /git/)
    })
  )

  live("a gap in the numbers of files of one's own is refused, and an empty file fills it", () =>
    Effect.gen(function* () {
      const { check, generate, on, status, up, write } = yield* fixture
      yield* write("0001_one.sql", "create table one ();")
      yield* write("0002_two.sql", "create table two ();")
      yield* write("0003_three.sql", "create table three ();")
      yield* up
      // As a database is that was migrated when gaps were no matter.
      yield* on(Scratch.run("delete from tenon.migrations where name = '0002_two.sql'"))
      assert.match(yield* messageOf(up), /0002_two\.sql: 0003_three\.sql was applied, which comes after it/)
      yield* write("0005_five.sql", "select 1;")
      const found = yield* Effect.all([
        messageOf(generate(bookOf(1, false))),
        messageOf(check(bookOf(1, false))),
        messageOf(status),
        messageOf(up)
      ])
      for (const message of found) {
        assert.match(message, /^0004_….sql: no file has this number, and 0005_five\.sql comes after it\. /)
      }
      yield* write("0004_none.sql", "")
      yield* write("0002_two.sql", "-- There never was one.\n")
      assert.deepStrictEqual(yield* up, ["0002_two.sql", "0004_none.sql", "0005_five.sql"])
    })
  )

  live("check holds the versions that the database has recorded against those declared", () =>
    Effect.gen(function* () {
      const { check, generate, on, up } = yield* fixture
      yield* generate(bookOf(1, false))
      yield* up
      yield* generate(bookOf(3, false, { note: Schema.optionalKey(Schema.String) }))
      yield* up
      const declared = bookOf(3, false, { note: Schema.optionalKey(Schema.String) })
      assert.deepStrictEqual(yield* check(declared), [])
      yield* on(Scratch.run("update tenon._schema_versions set version = 2"))
      const [finding, ...more] = yield* check(declared)
      assert.deepStrictEqual(more, [])
      assert.strictEqual(finding?.place, "Book")
      assert.include(finding?.problem, "version 2 in the database and 3")
    })
  )
})
