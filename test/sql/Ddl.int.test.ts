import * as Field from "@tenon/core/Field"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Ddl from "@tenon/sql/Ddl"
import * as FrameworkTables from "@tenon/sql/FrameworkTables"
import * as ModelDiff from "@tenon/sql/ModelDiff"
import * as Migrations from "@tenon/sql/Migrations"
import * as SchemaVersions from "@tenon/sql/SchemaVersions"
import { assert, describe, it } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Scratch from "../support/ScratchDatabase.ts"

const Team = Resource.make("Team", {
  fields: { id: Field.Id, name: Schema.String },
  identities: { name: ["name"] },
  actions: () => ({})
})
const Country = Resource.make("Country", {
  tenantScoped: false,
  fields: { id: Field.Id, name: Schema.String },
  actions: (on) => ({ create: on.create({ input: { name: Schema.String } }) })
})
const Currency = Resource.make("Currency", { tenantScoped: false, fields: { id: Field.Id }, actions: () => ({}) })
const Person = Resource.make("Person", {
  table: "people",
  version: 3,
  fields: {
    id: Field.Id,
    teamId: Schema.String,
    bossId: Schema.NullOr(Schema.String),
    buddyId: Schema.optionalKey(Schema.String),
    countryId: Schema.String,
    order: Schema.Literals(["it's", "back\\slash", `"quoted"`]).pipe(Field.withDefault("it's")),
    age: Schema.Int.pipe(Field.withDefault(-1)),
    score: Schema.Number.pipe(Field.withDefault(1e-7)),
    wealth: Schema.BigInt.pipe(Field.withDefault(-12n)),
    rate: Schema.BigDecimal.pipe(Field.withDefault(BigDecimal.make(15n, 1))),
    loss: Schema.BigDecimal.pipe(Field.withDefault(BigDecimal.make(-15n, 1))),
    vast: Schema.optionalKey(Schema.BigDecimal).pipe(Field.withDefault(BigDecimal.make(1n, -30))),
    active: Schema.Boolean.pipe(Field.withDefault(true)),
    tags: Schema.Array(Schema.String).pipe(Field.withDefault(["b", "a'"])),
    createdAt: Field.CreatedAt
  },
  indexes: [["createdAt", "age"]],
  relations: {
    team: Relation.belongsTo(Team, "teamId", { onRemove: "cascade" }),
    boss: Relation.belongsTo("Person", "bossId", { optional: true, onRemove: "null" }),
    buddy: Relation.belongsTo("Person", "buddyId", { optional: true }),
    country: Relation.belongsTo(Country, "countryId")
  },
  actions: () => ({})
})
const registry = Registry.make({ resources: [Person, Team, Country, Currency] })

const modelOf = (resources: ReadonlyArray<Resource.Any>) => Ddl.fromRegistry(Registry.make({ resources }))

const person = (id: string, more = "") =>
  `insert into people (id, team_id, country_id, created_at, boss_id) values ('${id}', 'red', 'c', now(), ${more === "" ? "null" : `'${more}'`})`

const fixture = Effect.gen(function* () {
  const database = yield* Scratch.scratch()
  const { appRole: app, relayRole: relay } = database.names
  yield* Migrations.ensure({ registry, ...database.names }).pipe(Scratch.on(database))
  return { database, app, relay, options: { registry, ...database.names } }
})

const seeded = Effect.gen(function* () {
  const found = yield* fixture
  yield* Effect.gen(function* () {
    yield* Scratch.as(found.app, undefined, "insert into countries (id, name) values ('c', 'C')")
    for (const tenant of ["a", "b"]) {
      yield* Scratch.as(found.app, tenant, "insert into teams (id, name) values ('red', 'Red')", person("ann"))
    }
    yield* Scratch.as(found.app, "b", "insert into teams (id, name) values ('only-b', 'B')")
  }).pipe(Scratch.on(found.database))
  return found
})

describe("Ddl", () => {
  it.live("makes what the catalogue then shows", () =>
    Effect.gen(function* () {
      const { app, database, options } = yield* fixture
      yield* Effect.gen(function* () {
        const columns = yield* Scratch.run(
          `select column_name, data_type, is_nullable, column_default from information_schema.columns where table_name = 'people' order by ordinal_position`
        )
        assert.deepStrictEqual(
          columns.map((each) => [each["column_name"], each["data_type"], each["is_nullable"], each["column_default"]]),
          [
            ["tenant_id", "text", "NO", "NULLIF(current_setting('app.tenant_id'::text, true), ''::text)"],
            ["id", "text", "NO", null],
            ["team_id", "text", "NO", null],
            ["boss_id", "text", "YES", null],
            ["buddy_id", "text", "YES", null],
            ["country_id", "text", "NO", null],
            ["order", "text", "NO", "'it''s'::text"],
            ["age", "bigint", "NO", "'-1'::bigint"],
            ["score", "double precision", "NO", "'1e-07'::double precision"],
            ["wealth", "numeric", "NO", "'-12'::numeric"],
            ["rate", "numeric", "NO", "1.5"],
            ["loss", "numeric", "NO", "'-1.5'::numeric"],
            ["vast", "numeric", "YES", "'1000000000000000000000000000000'::numeric"],
            ["active", "boolean", "NO", "true"],
            ["tags", "jsonb", "NO", `'["b", "a''"]'::jsonb`],
            ["created_at", "timestamp with time zone", "NO", null]
          ]
        )
        const constraints = yield* Scratch.run(
          `select conname, pg_get_constraintdef(oid) as def from pg_constraint where conrelid = 'people'::regclass and contype in ('p', 'f', 'c') order by conname`
        )
        assert.deepStrictEqual(
          constraints.map((each) => [each["conname"], each["def"]]),
          [
            [
              "people__boss_id__fk",
              "FOREIGN KEY (tenant_id, boss_id) REFERENCES people(tenant_id, id) ON DELETE SET NULL (boss_id) DEFERRABLE"
            ],
            ["people__buddy_id__fk", "FOREIGN KEY (tenant_id, buddy_id) REFERENCES people(tenant_id, id) DEFERRABLE"],
            ["people__country_id__fk", "FOREIGN KEY (country_id) REFERENCES countries(id) DEFERRABLE"],
            [
              "people__order__check",
              `CHECK (("order" = ANY (ARRAY['it''s'::text, 'back\\slash'::text, '"quoted"'::text])))`
            ],
            ["people__pkey", "PRIMARY KEY (tenant_id, id)"],
            [
              "people__team_id__fk",
              "FOREIGN KEY (tenant_id, team_id) REFERENCES teams(tenant_id, id) ON DELETE CASCADE DEFERRABLE"
            ]
          ]
        )
        const indexes = yield* Scratch.run(
          `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as def from pg_index where indrelid in ('people'::regclass, 'teams'::regclass) and not indisprimary order by 1`
        )
        assert.deepStrictEqual(
          indexes.map((each) => String(each["def"]).replace(/ USING btree/, "")),
          [
            "CREATE INDEX people__boss_id__idx ON public.people (tenant_id, boss_id)",
            "CREATE INDEX people__buddy_id__idx ON public.people (tenant_id, buddy_id)",
            "CREATE INDEX people__country_id__idx ON public.people (tenant_id, country_id)",
            "CREATE INDEX people__created_at__age__idx ON public.people (tenant_id, created_at, age)",
            "CREATE INDEX people__team_id__idx ON public.people (tenant_id, team_id)",
            "CREATE UNIQUE INDEX teams__name__key ON public.teams (tenant_id, name)"
          ]
        )
        // Every table with a tenant column, whoever made it: secured, forced, and each unique key begins with the
        // tenant.
        const insecure = yield* Scratch.run(`
          select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname in ('public', 'tenon') and c.relkind = 'r'
          and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
          and (not c.relrowsecurity or not c.relforcerowsecurity
            or not exists (select from pg_policy p where p.polrelid = c.oid and p.polqual is not null and p.polwithcheck is not null)
            or exists (select from pg_index i where i.indrelid = c.oid and i.indisunique
              and (select attname from pg_attribute a where a.attrelid = c.oid and a.attnum = i.indkey[0]) <> 'tenant_id'))`)
        assert.deepStrictEqual(insecure, [])
        const grants = yield* Scratch.run(
          `select relname, array_to_string(array(select lower(privilege_type) from aclexplode(relacl) x join pg_roles r on r.oid = x.grantee where r.rolname = '${app}' order by 1), ',') as may from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`
        )
        assert.deepStrictEqual(
          grants.map((each) => `${each["relname"]}: ${each["may"]}`),
          [
            "countries: insert,select,update",
            "currencies: select",
            "people: delete,insert,select,update",
            "teams: delete,insert,select,update"
          ]
        )
        const roles = yield* Scratch.run(
          `select rolsuper or rolbypassrls or rolcanlogin or rolcreaterole or rolcreatedb or rolreplication as mighty from pg_roles where rolname in ('${app}', '${database.names.relayRole}')`
        )
        assert.deepStrictEqual(roles, [{ mighty: false }, { mighty: false }])
        assert.deepStrictEqual(yield* Migrations.audit(options), [])
        assert.deepStrictEqual(yield* SchemaVersions.mismatches(registry), [])
        assert.deepStrictEqual(yield* Migrations.ensure(options), [])
      }).pipe(Scratch.on(database))
    }).pipe(Effect.scoped)
  )

  it.live("puts the tables into another schema where so configured", () =>
    Effect.gen(function* () {
      const database = yield* Scratch.scratch({ owner: true })
      const options = { registry, schema: "App's", ...database.names }
      yield* Effect.gen(function* () {
        yield* Migrations.ensure(options)
        assert.deepStrictEqual(yield* Migrations.audit(options), [])
        assert.deepStrictEqual(
          yield* Scratch.run(`select count(*)::text as n from pg_tables where schemaname = 'App''s'`),
          [{ n: "4" }]
        )
      }).pipe(Scratch.on(database, `${database.name}_owner`))
      assert.throws(() => Ddl.fromRegistry(registry, { schema: "tenon" }), /the framework's/)
    }).pipe(Effect.scoped)
  )

  it.live("keeps tenants apart under raw SQL", () =>
    Effect.gen(function* () {
      const { app, database } = yield* seeded
      const inA = (...statements: ReadonlyArray<string>) => Scratch.as(app, "a", ...statements)
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* inA("select tenant_id, id from people"), [{ tenant_id: "a", id: "ann" }])
        assert.deepStrictEqual(yield* inA("select id from teams where id = 'only-b'"), [])
        assert.deepStrictEqual(yield* inA("update people set age = 5 where tenant_id = 'b' returning id"), [])
        assert.deepStrictEqual(yield* inA("delete from people where tenant_id = 'b' returning id"), [])
        // Fails closed without a tenant: no rows, and no writes.
        for (const tenant of [undefined, ""]) {
          assert.deepStrictEqual(yield* Scratch.as(app, tenant, "select * from people"), [])
          assert.strictEqual(
            yield* Scratch.sqlState(Scratch.as(app, tenant, "insert into teams (id, name) values ('x', 'x')")),
            "42501"
          )
          assert.strictEqual(
            yield* Scratch.sqlState(
              Scratch.as(app, tenant, "insert into teams (tenant_id, id, name) values ('', 'x', 'x')")
            ),
            "42501"
          )
        }
        assert.strictEqual(
          yield* Scratch.sqlState(inA("insert into teams (tenant_id, id, name) values ('b', 'x', 'x')")),
          "42501"
        )
        assert.strictEqual(yield* Scratch.sqlState(inA("update people set tenant_id = 'b'")), "42501")
        // Another tenant's row cannot be pointed to, not by a foreign key nor in a check for duplicates.
        assert.strictEqual(yield* Scratch.sqlState(inA("update people set team_id = 'only-b'")), "23503")
        yield* inA("insert into teams (id, name) values ('b-too', 'B')")
        assert.strictEqual(yield* Scratch.sqlState(inA("insert into teams (id, name) values ('again', 'B')")), "23505")
        assert.strictEqual(yield* Scratch.sqlState(inA(`update people set "order" = 'other'`)), "23514")
        for (const statement of [
          "truncate people",
          "drop table people",
          "alter table people disable row level security",
          "create table mine (id text)",
          "set row_security = off; select 1",
          "select * from tenon.migrations",
          "delete from tenon.audit_log",
          "update currencies set id = 'x'"
        ]) {
          const state = yield* Scratch.sqlState(
            inA(...statement.split("; ").map((each) => each.replace("select 1", "select * from people")))
          )
          assert.strictEqual(state, "42501", statement)
        }
      }).pipe(Scratch.on(database))
    }).pipe(Effect.scoped)
  )

  it.live("does on removal what each relation says", () =>
    Effect.gen(function* () {
      const { app, database } = yield* seeded
      const inA = (...statements: ReadonlyArray<string>) => Scratch.as(app, "a", ...statements)
      yield* Effect.gen(function* () {
        yield* inA(person("bob", "ann"), person("cat"), "update people set buddy_id = 'cat' where id = 'bob'")
        assert.deepStrictEqual(
          yield* inA("delete from people where id = 'ann'", "select id, boss_id from people order by id"),
          [
            { id: "bob", boss_id: null },
            { id: "cat", boss_id: null }
          ]
        )
        assert.strictEqual(yield* Scratch.sqlState(inA("delete from people where id = 'cat'")), "23503")
        // The cascade takes bob and cat together, although one points to the other.
        assert.deepStrictEqual(yield* inA("delete from teams where id = 'red'", "select id from people"), [])
        assert.strictEqual((yield* Scratch.as(app, "b", "select id from people")).length, 1)
        // Two that point at each other, in one transaction.
        assert.strictEqual(
          yield* Scratch.sqlState(
            inA(
              "insert into teams (id, name) values ('red', 'Red')",
              "set constraints all deferred",
              person("x", "y"),
              person("y", "x")
            )
          ),
          undefined
        )
      }).pipe(Scratch.on(database))
    }).pipe(Effect.scoped)
  )

  it.live("lets the relay do its work and nothing else", () =>
    Effect.gen(function* () {
      const { app, database, relay } = yield* seeded
      const asRelay = (...statements: ReadonlyArray<string>) => Scratch.as(relay, undefined, ...statements)
      yield* Effect.gen(function* () {
        for (const tenant of ["a", "b"]) {
          yield* Scratch.as(
            app,
            tenant,
            `insert into tenon.outbox (kind, object, actor, body) values ('delivery', 'x', '{}', '{}')`,
            `insert into tenon.api_keys (id, hash, name) values ('k', 'hash-${tenant}', 'Key')`
          )
        }
        assert.deepStrictEqual(
          yield* asRelay("select tenant_id from tenon.outbox order by id for update skip locked"),
          [{ tenant_id: "a" }, { tenant_id: "b" }]
        )
        assert.deepStrictEqual(yield* asRelay("delete from tenon.outbox where tenant_id = 'a' returning tenant_id"), [
          { tenant_id: "a" }
        ])
        assert.deepStrictEqual(yield* Scratch.as(app, "a", "select * from tenon.outbox"), [])
        assert.deepStrictEqual(yield* asRelay("select * from tenon.api_keys"), [])
        assert.deepStrictEqual(
          yield* asRelay(
            "select set_config('app.api_key_hash', 'hash-b', true)",
            "select tenant_id, id from tenon.api_keys"
          ),
          [{ tenant_id: "b", id: "k" }]
        )
        for (const statement of [
          "select * from people",
          "insert into tenon.outbox (kind, object, actor, body) values ('event', 'x', '{}', '{}')",
          "update tenon.api_keys set revoked_at = null",
          "select outcome from tenon.positions",
          "select * from tenon.audit_log"
        ]) {
          assert.include(["42501", "42703"], yield* Scratch.sqlState(asRelay(statement)), statement)
        }
        assert.deepStrictEqual(
          yield* asRelay(
            "insert into tenon.tenants (id, name) values ('a', 'A'), ('b', 'B')",
            "select id from tenon.tenants order by id"
          ),
          [{ id: "a" }, { id: "b" }]
        )
        assert.deepStrictEqual(yield* Scratch.as(app, "a", "select id from tenon.tenants"), [{ id: "a" }])
        assert.strictEqual(
          yield* Scratch.sqlState(Scratch.as(app, "a", "update tenon.tenants set status = 'active'")),
          "42501"
        )
      }).pipe(Scratch.on(database))
    }).pipe(Effect.scoped)
  )

  it("is the same for the same resources in any order, and every name fits", () => {
    const long = Resource.make("Long", {
      table: "a_table_with_a_name_as_long_as_it_may_be",
      fields: {
        id: Field.Id,
        aFieldWhoseNameIsRatherLongAsNamesGo: Schema.String,
        aFieldWhoseNameIsRatherLongAsNamesGo2: Schema.String
      },
      indexes: [["aFieldWhoseNameIsRatherLongAsNamesGo"], ["aFieldWhoseNameIsRatherLongAsNamesGo2"]],
      identities: { both: ["aFieldWhoseNameIsRatherLongAsNamesGo", "aFieldWhoseNameIsRatherLongAsNamesGo2"] },
      actions: () => ({})
    })
    const model = modelOf([Person, Team, Country, Currency, long])
    assert.deepStrictEqual(modelOf([long, Currency, Country, Team, Person]), model)
    const names = model.tables.flatMap((table) =>
      [table.primaryKey, ...table.indexes, ...table.foreignKeys, ...table.checks].map(
        ({ name }) => `${table.schema}.${name}`
      )
    )
    assert.strictEqual(new Set(names).size, names.length)
    for (const name of names) assert.isAtMost(Buffer.byteLength(name.split(".")[1] ?? ""), 63)
    assert.strictEqual(
      ModelDiff.everything(modelOf([Team])).filter((each) => each.includes("create table")).length,
      FrameworkTables.tables.length + 1
    )
  })

  it("refuses fields that PostgreSQL has no place for", () => {
    const registry = Registry.make({
      resources: [
        Resource.make("Odd", {
          fields: {
            id: Field.Id,
            xmin: Schema.String,
            ["a".repeat(64)]: Schema.String,
            nul: Schema.Literals(["a\u0000"])
          },
          actions: () => ({})
        })
      ]
    })
    assert.throws(() => Ddl.fromRegistry(registry), /3 problems/)
  })

  it("names what each constraint stands for", () => {
    const found = Ddl.meanings(registry)
    assert.deepStrictEqual(found.get("teams__name__key"), { _tag: "Unique", resource: "Team", fields: ["name"] })
    assert.deepStrictEqual(found.get("people__boss_id__fk"), {
      _tag: "Reference",
      resource: "Person",
      relation: "boss"
    })
    assert.deepStrictEqual(found.get("people__pkey"), { _tag: "Unique", resource: "Person", fields: ["id"] })
  })
})
