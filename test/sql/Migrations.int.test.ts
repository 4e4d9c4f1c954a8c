import * as Field from "@tenon/core/Field"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Migrations from "@tenon/sql/Migrations"
import * as SchemaVersions from "@tenon/sql/SchemaVersions"
import type { NodeServices } from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Scratch from "../support/ScratchDatabase.ts"

const registryOf = (...resources: ReadonlyArray<Resource.Any>) => Registry.make({ resources })
const none = { actions: () => ({}) }
const Shelf = Resource.make("Shelf", { ...none, table: "shelves", fields: { id: Field.Id } })

const first = registryOf(
  Shelf,
  Resource.make("Book", {
    ...none,
    fields: {
      id: Field.Id,
      shelfId: Schema.String,
      title: Schema.String,
      color: Schema.String,
      state: Schema.Literals(["IN", "OUT"])
    },
    identities: { color: ["color"] }
  }),
  Resource.make("Leaflet", {
    ...none,
    fields: { id: Field.Id, shelfId: Schema.String },
    relations: { shelf: Relation.belongsTo(Shelf, "shelfId") }
  })
)
/** Adds fields of every kind, renames, removes, relates, makes unique, allows another state. */
const second = registryOf(
  Shelf,
  Resource.make("Book", {
    ...none,
    version: 2,
    fields: {
      id: Field.Id,
      shelfId: Schema.String,
      name: Schema.String.pipe(Field.renamedFrom("title")),
      state: Schema.Literals(["IN", "OUT", "LOST"]).pipe(Field.withDefault("IN")),
      pages: Schema.Int.pipe(Field.withDefault(1)),
      note: Schema.optionalKey(Schema.String),
      place: Field.Position("shelfId"),
      version: Field.Version,
      createdAt: Field.CreatedAt,
      token: Field.Id
    },
    identities: { name: ["name"], place: ["shelfId", "place"] },
    indexes: [["pages"]],
    relations: { shelf: Relation.belongsTo(Shelf, "shelfId", { onRemove: "cascade" }) }
  }),
  Resource.make("Review", {
    ...none,
    fields: { id: Field.Id, bookId: Schema.String },
    relations: { book: Relation.belongsTo("Book", "bookId") }
  })
)
/** Forgets the rename, requires what was optional, and narrows the states. */
const third = registryOf(
  Shelf,
  Resource.make("Book", {
    ...none,
    version: 3,
    fields: {
      id: Field.Id,
      shelfId: Schema.String,
      name: Schema.String,
      state: Schema.Literals(["IN", "LOST"]).pipe(Field.withDefault("LOST")),
      pages: Schema.NullOr(Schema.Int),
      note: Schema.String.pipe(Field.withDefault("-")),
      place: Field.Position("shelfId"),
      version: Field.Version,
      createdAt: Field.CreatedAt,
      token: Field.Id
    },
    identities: { place: ["shelfId", "place"] },
    relations: { shelf: Relation.belongsTo(Shelf, "shelfId", { onRemove: "restrict" }) }
  }),
  Resource.make("Review", {
    ...none,
    fields: { id: Field.Id, bookId: Schema.String },
    relations: { book: Relation.belongsTo("Book", "bookId") }
  })
)

/** The book's color is given up for good: none of what is new is what it was. */
const approved = { approve: ["removed:books.color"] }

const fixture = (options?: { readonly owner?: boolean }) =>
  Effect.gen(function* () {
    const database = yield* Scratch.scratch(options)
    const directory = yield* Scratch.directory
    const user = options?.owner ? `${database.name}_owner` : undefined
    const fs = yield* FileSystem.FileSystem
    return {
      database,
      directory,
      write: (name: string, sql: string) => fs.writeFileString(`${directory}/${name}`, sql),
      generate: (registry: Registry.Registry, more?: object) =>
        Migrations.generate({ registry, directory, ...database.names, ...more }),
      check: (registry: Registry.Registry) => Migrations.check({ registry, directory, ...database.names }),
      up: (more?: object) => Migrations.up({ directory, ...more }),
      asOwner: Scratch.on(database, user),
      asAdmin: Scratch.on(database),
      app: database.names.appRole
    }
  })

const live = (name: string, test: () => Effect.Effect<void, unknown, NodeServices | Scope.Scope>) =>
  it.live(name, () => test().pipe(Effect.scoped, Effect.provide(Scratch.services)), 60_000)

describe("Migrations", () => {
  // The owner is a plain login, so that forced row security binds it as it would in production.
  for (const owner of [true, false]) {
    live(`three releases keep the data, as ${owner ? "a plain owner" : "a superuser"}`, () =>
      Effect.gen(function* () {
        const { app, asAdmin, asOwner, check, database, directory, generate, up } = yield* fixture({ owner })
        const settle = (registry: Registry.Registry) =>
          Effect.gen(function* () {
            const generated = yield* generate(registry, approved)
            assert.deepStrictEqual((yield* generate(registry)).files, [], "generate is idempotent")
            assert.deepStrictEqual(
              yield* asOwner(up()),
              generated.files.map(({ name }) => name)
            )
            assert.deepStrictEqual(yield* asOwner(check(registry)), [])
            assert.deepStrictEqual(yield* asOwner(SchemaVersions.mismatches(registry)), [])
            return generated
          })
        const [only] = (yield* settle(first)).files
        assert.strictEqual(only?.name, "0001_init.sql")
        yield* asAdmin(
          Effect.forEach(["a", "b"], (tenant) =>
            Scratch.as(
              app,
              tenant,
              "insert into shelves (id) values ('s'), ('t')",
              `insert into books (id, shelf_id, title, color, state) values ('1', 's', 'One ${tenant}', 'red', 'IN'), ('2', 's', 'Two', 'blue', 'OUT'), ('3', 't', 'Three', 'green', 'IN')`,
              "insert into leaflets (id, shelf_id) values ('l', 's')"
            )
          )
        )

        assert.deepStrictEqual(
          (yield* asOwner(SchemaVersions.mismatches(second))).map(({ actual, expected, resource }) => [
            resource,
            actual,
            expected
          ]),
          [
            ["Book", 1, 2],
            ["Review", 0, 1]
          ]
        )
        const dry = yield* generate(second, { ...approved, dryRun: true })
        assert.isFalse(dry.written)
        const next = yield* settle(second)
        assert.deepStrictEqual(next.files, dry.files)
        assert.deepStrictEqual(
          next.files.map(({ name }) => name.replace(/^\d+_.*?(_validate|_indexes)?\.sql$/, "$1")),
          ["", "_validate", "_indexes"]
        )
        assert.isTrue(next.warnings.some((each) => each.includes("books.title is deprecated")))
        assert.isTrue(next.warnings.some((each) => each.includes("books.color is deprecated")))
        assert.isTrue(next.warnings.some((each) => each.includes("leaflets is deprecated")))
        const rows = yield* asAdmin(
          Scratch.run(
            "select tenant_id, id, name, title, color, pages, note, place, version, created_at is not null as created, token is not null as token from books order by 1, 2"
          )
        )
        assert.deepStrictEqual(
          rows.filter((each) => each["tenant_id"] === "a"),
          [
            {
              tenant_id: "a",
              id: "1",
              name: "One a",
              title: "One a",
              color: null,
              pages: 1n,
              note: null,
              place: 1n,
              version: 1n,
              created: true,
              token: true
            },
            {
              tenant_id: "a",
              id: "2",
              name: "Two",
              title: "Two",
              color: null,
              pages: 1n,
              note: null,
              place: 2n,
              version: 1n,
              created: true,
              token: true
            },
            {
              tenant_id: "a",
              id: "3",
              name: "Three",
              title: "Three",
              color: null,
              pages: 1n,
              note: null,
              place: 1n,
              version: 1n,
              created: true,
              token: true
            }
          ]
        )
        assert.strictEqual(rows.length, 6)
        // What the removed field held is kept, and a tenant sees its own only.
        assert.deepStrictEqual(
          yield* asAdmin(
            Scratch.as(app, "b", "select resource, key, field, value from tenon.removed_values order by key")
          ),
          [
            { resource: "Book", key: "1", field: "color", value: "red" },
            { resource: "Book", key: "2", field: "color", value: "blue" },
            { resource: "Book", key: "3", field: "color", value: "green" }
          ]
        )
        assert.deepStrictEqual(
          yield* asAdmin(Scratch.run("select tenant_id, resource, parent, value from tenon.positions order by 1, 3")),
          ["a", "b"].flatMap((tenant_id) => [
            { tenant_id, resource: "Book.place", parent: "s", value: 2n },
            { tenant_id, resource: "Book.place", parent: "t", value: 1n }
          ])
        )
        // The new release writes without the old columns; the rows of the resource that is gone stand in nobody's way.
        yield* asAdmin(
          Scratch.as(
            app,
            "a",
            "insert into books (id, shelf_id, name, state, place, version, created_at, token) values ('4', 't', 'Four', 'LOST', 2, 1, now(), 'x')",
            "update books set state = 'IN' where state = 'OUT'",
            "delete from shelves where id = 's'"
          )
        )
        yield* asAdmin(Scratch.as(app, "b", "update books set state = 'LOST' where state = 'OUT'"))

        yield* settle(third)
        assert.deepStrictEqual(
          yield* asAdmin(Scratch.run("select tenant_id, id, name, title, note from books order by 1, 2")),
          [
            { tenant_id: "a", id: "3", name: "Three", title: null, note: "-" },
            { tenant_id: "a", id: "4", name: "Four", title: null, note: "-" },
            { tenant_id: "b", id: "1", name: "One b", title: null, note: "-" },
            { tenant_id: "b", id: "2", name: "Two", title: null, note: "-" },
            { tenant_id: "b", id: "3", name: "Three", title: null, note: "-" }
          ]
        )
        assert.strictEqual(
          yield* asAdmin(Scratch.sqlState(Scratch.as(app, "b", "delete from shelves where id = 's'"))),
          "23503"
        )
        assert.deepStrictEqual(
          new Set((yield* asOwner(Migrations.status({ directory }))).map(({ state }) => state)),
          new Set(["applied"])
        )
        assert.strictEqual(database.names.appRole, app)
      })
    )
  }

  live("numbers that are new begin with one among the rows of no parent, whatever others are called", () =>
    Effect.gen(function* () {
      const { app, asAdmin, generate, up } = yield* fixture()
      const notes = (version: number, more: Schema.Struct.Fields) =>
        registryOf(
          Resource.make("Note", {
            ...none,
            version,
            fields: { id: Field.Id, list: Schema.optionalKey(Schema.String), ...more }
          })
        )
      yield* generate(notes(1, {}))
      yield* asAdmin(up())
      yield* asAdmin(
        Scratch.as(app, "a", "insert into notes (id, list) values ('1', ''), ('2', ''), ('3', chr(1)), ('4', 'x')")
      )
      yield* generate(notes(2, { number: Field.Position("list") }))
      yield* asAdmin(up())
      assert.deepStrictEqual(yield* asAdmin(Scratch.run("select parent, value from tenon.positions order by parent")), [
        { parent: "\u0001", value: 2n },
        { parent: "\u0001\u0001", value: 1n },
        { parent: "x", value: 1n }
      ])
    })
  )

  live("a foreign key over rows that point to nothing fails as a plain owner too", () =>
    Effect.gen(function* () {
      const { app, asAdmin, asOwner, generate, up } = yield* fixture({ owner: true })
      const fields = { id: Field.Id, shelfId: Schema.String }
      yield* generate(registryOf(Shelf, Resource.make("Book", { ...none, fields })))
      yield* asOwner(up())
      yield* asAdmin(Scratch.as(app, "a", "insert into books (id, shelf_id) values ('1', 'nowhere')"))
      yield* generate(
        registryOf(
          Shelf,
          Resource.make("Book", { ...none, fields, relations: { shelf: Relation.belongsTo(Shelf, "shelfId") } })
        )
      )
      const failure = yield* Effect.flip(asOwner(up()))
      assert.strictEqual(failure._tag, "MigrationFailed")
      if (failure._tag === "MigrationFailed") {
        assert.strictEqual(failure.sqlState, "23503")
        assert.match(failure.file, /^0003_.*_validate\.sql$/)
        assert.include(failure.statement, "validate constraint")
      }
      yield* asAdmin(Scratch.as(app, "a", "update books set shelf_id = 's'").pipe(Effect.ignore))
      yield* asAdmin(Scratch.run("delete from books"))
      assert.strictEqual((yield* asOwner(up()))[0]?.slice(0, 4), "0003")
    })
  )

  live("a file of one's own sits among them, and cannot silently change nothing", () =>
    Effect.gen(function* () {
      const { app, asAdmin, asOwner, generate, up, write } = yield* fixture({ owner: true })
      yield* generate(registryOf(Shelf))
      yield* asOwner(up())
      yield* asAdmin(Scratch.as(app, "a", "insert into shelves (id) values ('s')"))
      yield* write("0002_mine.sql", "update shelves set id = 'renamed';")
      const failure = yield* Effect.flip(asOwner(up()))
      assert.strictEqual(failure._tag === "MigrationFailed" ? failure.sqlState : failure._tag, "42501")
      assert.include(failure.message, "no force row level security")
      yield* write(
        "0002_mine.sql",
        "alter table shelves no force row level security; -- a ; in a comment\nupdate shelves set id = 'renamed;';\nalter table shelves force row level security;\ndo $body$ begin perform 1; end $body$;\n"
      )
      assert.deepStrictEqual(yield* asOwner(up()), ["0002_mine.sql"])
      assert.deepStrictEqual(yield* asAdmin(Scratch.run("select id from shelves")), [{ id: "renamed;" }])
      const generated = yield* generate(registryOf(Shelf, Resource.make("Book", { ...none, fields: { id: Field.Id } })))
      assert.deepStrictEqual(
        generated.files.map(({ name }) => name),
        ["0003_new_table_books.sql"]
      )
      assert.deepStrictEqual(yield* asOwner(up()), ["0003_new_table_books.sql"])
    })
  )

  live("what would lose data or cannot be known is refused, all at once, until approved", () =>
    Effect.gen(function* () {
      const { asOwner, check, database, generate, up } = yield* fixture()
      const before = registryOf(
        Shelf,
        Resource.make("Book", { ...none, fields: { id: Field.Id, size: Schema.Int } }),
        Resource.make("Pen", { ...none, fields: { id: Field.Id } })
      )
      const after = registryOf(
        Resource.make("Shelf", { ...none, table: "shelf", fields: { id: Field.Id } }),
        Resource.make("Book", { ...none, fields: { id: Field.Id, size: Schema.String, author: Schema.String } }),
        Resource.make("Pen", { ...none, tenantScoped: false, fields: { id: Field.Id } })
      )
      yield* generate(before)
      yield* asOwner(up())
      const refused = yield* Effect.flip(generate(after))
      assert.strictEqual(refused._tag, "MigrationRefused")
      const names = refused._tag === "MigrationRefused" ? refused.hazards.map(({ name }) => name) : []
      assert.deepStrictEqual([...names].toSorted(), [
        "key:pens",
        "required:books.author",
        "table:Shelf",
        "tenancy:pens",
        "type:books.size",
        "version:Book",
        "version:Pen"
      ])
      assert.strictEqual((yield* asOwner(check(after))).length > 0, true)
      const approved = yield* generate(
        registryOf(
          Shelf,
          Resource.make("Book", {
            ...none,
            version: 2,
            fields: { id: Field.Id, size: Schema.String, author: Schema.String }
          }),
          Resource.make("Pen", { ...none, fields: { id: Field.Id } })
        ),
        { approve: ["required:books.author", "type:books.size"] }
      )
      assert.deepStrictEqual(
        approved.files.map(({ name }) => name),
        ["0002_books_size_becomes_text.sql"]
      )
      yield* asOwner(up())
      assert.strictEqual(database.name.startsWith("tenon_test_"), true)
    })
  )

  live("a field that is gone where one of its type is new is asked about, and is not taken for removed", () =>
    Effect.gen(function* () {
      const { app, asAdmin, asOwner, check, generate, up } = yield* fixture()
      const note = Schema.optionalKey(Schema.String)
      const bookOf = (version: number, fields: Schema.Struct.Fields) =>
        registryOf(Resource.make("Book", { ...none, version, fields: { id: Field.Id, ...fields } }))
      const hazardsOf = (registry: Registry.Registry) =>
        Effect.flip(generate(registry)).pipe(
          Effect.map((refused) => {
            assert.strictEqual(refused._tag, "MigrationRefused")
            return { hazards: refused._tag === "MigrationRefused" ? refused.hazards : [], message: refused.message }
          })
        )
      yield* generate(bookOf(1, { smallNote: note, size: Schema.optionalKey(Schema.Int) }))
      yield* asOwner(up())
      yield* asAdmin(Scratch.as(app, "a", "insert into books (id, small_note) values ('1', 'mine')"))
      const renamed = bookOf(2, { remark: note, size: Schema.optionalKey(Schema.Int) })
      const optional = yield* hazardsOf(renamed)
      assert.deepStrictEqual(
        optional.hazards.map(({ name }) => name),
        ["removed:books.small_note"]
      )
      assert.include(optional.message, '`Field.renamedFrom("smallNote")` on remark')
      assert.include(optional.message, "--approve removed:books.small_note")
      assert.isTrue((yield* asOwner(check(renamed))).some(({ problem }) => problem.includes("small_note is gone")))
      // A required field is refused as ever, and is told of the way too.
      const required = yield* hazardsOf(bookOf(2, { remark: Schema.String, size: Schema.optionalKey(Schema.Int) }))
      assert.deepStrictEqual(
        required.hazards.map(({ name }) => name),
        ["required:books.remark"]
      )
      assert.include(required.message, '`Field.renamedFrom("smallNote")`')
      // What it says to do does mend it: one way keeps the values, the other sets them aside.
      const kept = yield* generate(
        bookOf(2, { remark: note.pipe(Field.renamedFrom("smallNote")), size: Schema.optionalKey(Schema.Int) })
      )
      assert.isNotEmpty(kept.files)
      yield* asOwner(up())
      assert.deepStrictEqual(yield* asAdmin(Scratch.run("select remark from books")), [{ remark: "mine" }])
      // Of another type, it cannot be what is gone.
      const gone = yield* generate(bookOf(3, { remark: note, other: note }))
      assert.isNotEmpty(gone.files)
      yield* asOwner(up())
      const more = yield* hazardsOf(bookOf(4, { third: note, fourth: note }))
      assert.deepStrictEqual(
        more.hazards.map(({ name }) => name),
        ["removed:books.remark", "removed:books.other"]
      )
      yield* generate(bookOf(4, { third: note, fourth: note }), { approve: more.hazards.map(({ name }) => name) })
      yield* asOwner(up())
      assert.deepStrictEqual(yield* asAdmin(Scratch.run("select field, value from tenon.removed_values")), [
        { field: "remark", value: "mine" }
      ])
    })
  )

  live("files that were changed, lost, renumbered or doubled are refused", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { asOwner, directory, up, write } = yield* fixture()
      const conflict = Effect.flip(asOwner(up())).pipe(Effect.map((error) => `${error._tag}: ${error.message}`))
      yield* write("0001_one.sql", "create table one ();")
      yield* write("0002_two.sql", "create table two ();")
      yield* asOwner(up())
      yield* write("0001_one.sql", "create table one ();\r\n".replace("\r\n", ""))
      assert.deepStrictEqual(yield* asOwner(up()), [])
      yield* write("0001_one.sql", "create table one (id text);")
      assert.include(yield* conflict, "MigrationConflict: 0001_one.sql: it was changed")
      assert.deepStrictEqual(
        (yield* asOwner(Migrations.status({ directory }))).map(({ name, state }) => [name, state]),
        [
          ["0001_one.sql", "changed"],
          ["0002_two.sql", "applied"]
        ]
      )
      yield* write("0001_one.sql", "create table one ();")
      yield* write("0002_other.sql", "select 1")
      assert.include(yield* conflict, "another file has the same number")
      yield* fs.remove(`${directory}/0002_other.sql`)
      yield* write("0003_four.sql", "create table four (); commit; create table five ()")
      assert.include(yield* conflict, `0003_four.sql:1: "commit" would take the transaction`)
      yield* fs.remove(`${directory}/0003_four.sql`)
      yield* fs.remove(`${directory}/0002_two.sql`)
      assert.include(yield* conflict, "0002_two.sql: it was applied to this database and is not among the files")
      yield* write("0002_two.sql", "create table two ();")
      yield* write("readme.sql", "")
      assert.include(yield* conflict, "readme.sql: the name does not say when it runs")
      yield* fs.remove(`${directory}/readme.sql`)
      yield* write("snapshot.json", "<<<<<<< ours")
      assert.include(
        (yield* Effect.flip(Migrations.generate({ registry: registryOf(Shelf), directory }))).message,
        "snapshot.json: it cannot be read"
      )
    })
  )

  live("a file that fails leaves nothing, one outside of a transaction can be run again", () =>
    Effect.gen(function* () {
      const { asOwner, up, write } = yield* fixture()
      yield* write(
        "0001_one.sql",
        "create table one (id text);\n\ninsert into one values ('x'), ('x');\ncreate table broken (\n  nope nothing\n);"
      )
      const failure = yield* Effect.flip(asOwner(up()))
      assert.include(failure.message, "0001_one.sql:4: ")
      assert.deepStrictEqual(yield* asOwner(Scratch.run("select to_regclass('one') as it")), [{ it: null }])
      yield* write("0001_one.sql", "create table one (id text);\ninsert into one values ('x'), ('x');")
      yield* write(
        "0002_index.sql",
        "-- tenon:no-transaction\ndrop index concurrently if exists one_id;\ncreate unique index concurrently one_id on one (id);"
      )
      assert.strictEqual((yield* Effect.flip(asOwner(up())))._tag, "MigrationFailed")
      yield* asOwner(Scratch.run("delete from one"))
      assert.deepStrictEqual(yield* asOwner(up()), ["0002_index.sql"])
      assert.deepStrictEqual(
        yield* asOwner(Scratch.run("select indisvalid from pg_index where indexrelid = 'one_id'::regclass")),
        [{ indisvalid: true }]
      )
    })
  )

  live("waits for a table's lock, lets others through meanwhile, and gives up with a sentence", () =>
    Effect.gen(function* () {
      const { asOwner, up, write } = yield* fixture()
      yield* write("0001_one.sql", "create table one (id text);")
      yield* asOwner(up())
      yield* write("0002_two.sql", "alter table one add column more text;")
      const holding = (millis: number) =>
        asOwner(
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            sql.withTransaction(Scratch.run("lock table one in access share mode", `select pg_sleep(${millis / 1000})`))
          )
        )
      const [, failure] = yield* Effect.all(
        [
          holding(1500),
          Effect.flip(Effect.delay(asOwner(up({ lockTimeout: "50 millis", lockRetries: 1 })), "200 millis"))
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(failure._tag === "MigrationFailed" ? failure.sqlState : failure._tag, "55P03")
      const [, applied] = yield* Effect.all(
        [holding(700), Effect.delay(asOwner(up({ lockTimeout: "50 millis" })), "100 millis")],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(applied, ["0002_two.sql"])
    })
  )

  live("one of two processes migrates, the other finds it done", () =>
    Effect.gen(function* () {
      const { asOwner, database, directory, up, write } = yield* fixture()
      yield* write("0001_one.sql", "create table one (id text);\nselect pg_sleep(0.5);")
      yield* write("0002_two.sql", "insert into one values ('once');")
      const child = fileURLToPath(new URL("../support/migrate-child.ts", import.meta.url))
      const start = Effect.promise(
        () =>
          new Promise<string>((resolve, reject) => {
            const running = spawn(process.execPath, [child, Scratch.urlOf(database.name), directory], {
              stdio: ["ignore", "pipe", "inherit"]
            })
            let out = ""
            running.stdout.on("data", (chunk) => (out += String(chunk)))
            running.on("error", reject)
            running.on("close", (code) => (code === 0 ? resolve(out) : reject(new Error(`exit ${code}: ${out}`))))
          })
      )
      const outputs = yield* Effect.all([start, start], { concurrency: 2 })
      assert.deepStrictEqual(outputs.map((each) => (JSON.parse(each) as Array<string>).length).toSorted(), [0, 2])
      assert.deepStrictEqual(yield* asOwner(Scratch.run("select id from one")), [{ id: "once" }])
      // Nobody waits for ever.
      yield* write("0003_three.sql", "select 1;")
      const failure = yield* asOwner(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          return yield* Effect.scoped(
            Effect.gen(function* () {
              const connection = yield* sql.reserve
              yield* connection.executeUnprepared("select pg_advisory_lock(7308332140215296)", [], undefined)
              return yield* Effect.flip(Migrations.up({ directory, waitForOthers: "200 millis" }))
            })
          )
        })
      )
      assert.strictEqual(failure._tag, "MigrationLocked")
      assert.deepStrictEqual(yield* asOwner(up()), ["0003_three.sql"])
    })
  )

  live("settles versions by migrating where so configured", () =>
    Effect.gen(function* () {
      const { asOwner, directory, generate } = yield* fixture()
      yield* generate(first)
      const failure = yield* Effect.flip(asOwner(SchemaVersions.requireAll(first)))
      assert.strictEqual(failure._tag, "SchemaMismatch")
      assert.include(failure.message, "version 0 in the database and 1 here")
      assert.deepStrictEqual(yield* asOwner(SchemaVersions.settle(first, { directory })), [])
      yield* asOwner(SchemaVersions.requireAll(first))
      assert.deepStrictEqual(
        (yield* asOwner(SchemaVersions.settle(second, { directory }))).map(({ resource }) => resource),
        ["Book", "Review"]
      )
    })
  )

  live("ensure refuses a database that is neither empty nor right, and check sees what was not generated", () =>
    Effect.gen(function* () {
      const { asOwner, check, database, up, generate } = yield* fixture()
      yield* generate(first)
      yield* asOwner(up())
      const failure = yield* Effect.flip(asOwner(Migrations.ensure({ registry: second, ...database.names })))
      assert.strictEqual(failure._tag, "DatabaseDiffers")
      assert.isTrue(
        (yield* asOwner(check(second))).some(
          ({ place, problem }) => place === "snapshot.json" && problem.includes("books.pages")
        )
      )
      yield* generate(second, approved)
      assert.deepStrictEqual(
        (yield* asOwner(check(second))).filter(({ problem }) => problem === "it is not applied").length,
        3
      )
    })
  )

  live("a database that was set up without files goes on with the first that are generated", () =>
    Effect.gen(function* () {
      const { asOwner, check, database, directory, generate, up } = yield* fixture()
      const adopt = () => Migrations.adopt({ directory })
      yield* asOwner(Migrations.ensure({ registry: first, ...database.names }))
      assert.deepStrictEqual(yield* asOwner(adopt()), [])
      yield* generate(first)
      assert.deepStrictEqual((yield* Effect.all([asOwner(adopt()), asOwner(adopt())], { concurrency: 2 })).flat(), [
        "0001_init.sql"
      ])
      assert.deepStrictEqual(yield* asOwner(adopt()), [])
      assert.deepStrictEqual(yield* asOwner(up()), [])
      assert.deepStrictEqual(yield* asOwner(check(first)), [])
      yield* generate(second, approved)
      assert.isNotEmpty(yield* asOwner(up()))
      assert.deepStrictEqual(yield* asOwner(check(second)), [])
    })
  )

  live("though more was generated before it was started again", () =>
    Effect.gen(function* () {
      const { asOwner, check, database, directory, generate, up } = yield* fixture({ owner: true })
      yield* asOwner(Migrations.ensure({ registry: first, ...database.names }))
      yield* generate(first)
      yield* generate(second, approved)
      assert.deepStrictEqual(yield* asOwner(Migrations.adopt({ directory })), ["0001_init.sql"])
      assert.lengthOf(yield* asOwner(up()), 3)
      assert.deepStrictEqual(yield* asOwner(check(second)), [])
    })
  )

  live("only what is as it was generated, over a database that is as it says, is adopted", () =>
    Effect.gen(function* () {
      const { asOwner, database, directory, generate, up } = yield* fixture()
      const adopt = () => Migrations.adopt({ directory })
      const fs = yield* FileSystem.FileSystem
      yield* generate(first)
      // Nothing is there yet: nothing to adopt.
      assert.deepStrictEqual(yield* asOwner(adopt()), [])
      yield* asOwner(Migrations.ensure({ registry: first, ...database.names }))
      yield* asOwner(Scratch.run("alter table shelves add column extra text"))
      const differs = yield* Effect.flip(asOwner(adopt()))
      assert.strictEqual(differs._tag, "DatabaseDiffers")
      assert.include(differs.message, "extra")
      yield* asOwner(Scratch.run("alter table shelves drop column extra"))
      const file = `${directory}/0001_init.sql`
      const sql = yield* fs.readFileString(file)
      yield* fs.writeFileString(file, `${sql}\n-- and more, by hand\n`)
      assert.deepStrictEqual(yield* asOwner(adopt()), [])
      const failed = yield* Effect.flip(asOwner(up()))
      assert.include(failed.message, "not from these migrations")
      yield* fs.writeFileString(file, sql)
      assert.deepStrictEqual(yield* asOwner(adopt()), ["0001_init.sql"])
    })
  )
})
