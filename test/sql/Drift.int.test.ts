import * as Field from "@tenon/core/Field"
import * as Registry from "@tenon/core/Registry"
import * as Relation from "@tenon/core/Relation"
import * as Resource from "@tenon/core/Resource"
import * as Catalogue from "@tenon/sql/Catalogue"
import * as CatalogueForms from "@tenon/sql/CatalogueForms"
import * as Ddl from "@tenon/sql/Ddl"
import * as IsolationCheck from "@tenon/sql/IsolationCheck"
import * as Migrations from "@tenon/sql/Migrations"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Scratch from "../support/ScratchDatabase.ts"

const Shelf = Resource.make("Shelf", { table: "shelves", fields: { id: Field.Id }, actions: () => ({}) })
const Book = Resource.make("Book", {
  fields: {
    id: Field.Id,
    shelfId: Schema.String,
    isbn: Schema.String,
    state: Schema.Literals(["IN", "OUT"]).pipe(Field.withDefault("IN")),
    note: Schema.NullOr(Schema.String)
  },
  identities: { isbn: ["isbn"] },
  indexes: [["state"]],
  relations: { shelf: Relation.belongsTo(Shelf, "shelfId") },
  actions: () => ({})
})
const registry = Registry.make({ resources: [Book, Shelf] })
const policy = (rest: string) => `create policy tenant_isolation on books ${rest}`
const tenant = "tenant_id = (select nullif(current_setting('app.tenant_id', true), ''))"

/** What is done to the database, and what must be found; `APP` and `RELAY` stand for the roles. */
const injected: ReadonlyArray<readonly [string, ReadonlyArray<string>, RegExp]> = [
  [
    "a policy dropped",
    ["drop policy tenant_isolation on books"],
    /public\.books: the policy tenant_isolation is missing/
  ],
  [
    "a policy that is open",
    ["drop policy tenant_isolation on books", policy("to APP using (true)")],
    /the policy tenant_isolation differs/
  ],
  [
    "a policy without WITH CHECK",
    ["drop policy tenant_isolation on books", policy(`to APP using (${tenant})`)],
    /differs.*with check nothing/
  ],
  [
    "a policy that compares without the sub-select",
    [
      "drop policy tenant_isolation on books",
      policy(
        "to APP using (tenant_id = current_setting('app.tenant_id', true)) with check (tenant_id = current_setting('app.tenant_id', true))"
      )
    ],
    /differs/
  ],
  [
    "a policy for everyone",
    ["drop policy tenant_isolation on books", policy(`using (${tenant}) with check (${tenant})`)],
    /differs: to PUBLIC/
  ],
  [
    "a policy for one command",
    ["drop policy tenant_isolation on books", policy(`for select to APP using (${tenant})`)],
    /differs/
  ],
  [
    "a restrictive policy",
    ["drop policy tenant_isolation on books", policy(`as restrictive to APP using (${tenant}) with check (${tenant})`)],
    /differs/
  ],
  [
    "a further policy",
    ["create policy extra on books using (true)"],
    /the policy extra is not declared, and permissive/
  ],
  ["row security disabled", ["alter table books disable row level security"], /row security is not enabled/],
  ["row security not forced", ["alter table books no force row level security"], /row security is not forced/],
  [
    "the framework's table not forced",
    ["alter table tenon.outbox no force row level security"],
    /tenon\.outbox: row security is not forced/
  ],
  ["a grant too much", ["grant truncate on books to APP"], /APP may truncate and should not/],
  ["a grant too little", ["revoke update on books from APP"], /APP may not update/],
  ["a grant on a column", ["grant update (note) on books to RELAY"], /RELAY may update note and should not/],
  ["a grant to everyone", ["grant select on books to public"], /PUBLIC may select and should not/],
  ["a grant that can be passed on", ["grant select on books to APP with grant option"], /APP may pass on select/],
  ["a column added", ["alter table books add column extra text"], /public\.books\.extra: the column is not declared/],
  ["a column dropped", ["alter table books drop column note"], /public\.books\.note: the column is missing/],
  [
    "a column of another type",
    ["alter table books alter column note type varchar(10)"],
    /the type is character varying\(10\)/
  ],
  [
    "a column made required",
    ["alter table books alter column note set not null"],
    /note: it may not be null and should/
  ],
  [
    "a column made optional",
    ["alter table books alter column isbn drop not null"],
    /isbn: it may be null and should not/
  ],
  [
    "the tenant's default dropped",
    ["alter table books alter column tenant_id drop default"],
    /tenant_id: the default is none/
  ],
  [
    "another default",
    ["alter table books alter column state set default 'OUT'"],
    /state: the default is 'OUT'::text and should be 'IN'::text/
  ],
  ["an index dropped", ["drop index books__state__idx"], /the index books__state__idx is missing/],
  [
    "an index on other columns",
    ["drop index books__state__idx", "create index books__state__idx on books (state)"],
    /books__state__idx is \(state\) and should be \(tenant_id, state\)/
  ],
  ["a unique key dropped", ["drop index books__isbn__key"], /the unique key books__isbn__key is missing/],
  [
    "a unique key no longer unique",
    ["drop index books__isbn__key", "create index books__isbn__key on books (tenant_id, isbn)"],
    /should be unique/
  ],
  [
    "a unique key for some rows",
    [
      "drop index books__isbn__key",
      "create unique index books__isbn__key on books (tenant_id, isbn) where note is null"
    ],
    /books__isbn__key/
  ],
  [
    "a unique key without the tenant",
    ["create unique index global on books (isbn)"],
    /global.*reveals other tenants' values/
  ],
  [
    "a primary key without the tenant",
    ["alter table books drop constraint books__pkey", "alter table books add constraint books__pkey primary key (id)"],
    /the primary key is \(id\)/
  ],
  [
    "a foreign key dropped",
    ["alter table books drop constraint books__shelf_id__fk"],
    /the foreign key books__shelf_id__fk is missing/
  ],
  [
    "a foreign key that cascades",
    [
      "alter table books drop constraint books__shelf_id__fk",
      "alter table books add constraint books__shelf_id__fk foreign key (tenant_id, shelf_id) references shelves on delete cascade deferrable"
    ],
    /books__shelf_id__fk differs/
  ],
  [
    "a foreign key without the tenant",
    [
      "create unique index solo on shelves (id)",
      "alter table books add constraint loose foreign key (shelf_id) references shelves (id)"
    ],
    /the foreign key loose is not declared/
  ],
  [
    "a foreign key not validated",
    [
      "alter table books drop constraint books__shelf_id__fk",
      "alter table books add constraint books__shelf_id__fk foreign key (tenant_id, shelf_id) references shelves deferrable not valid"
    ],
    /was never validated/
  ],
  [
    "a check dropped",
    ["alter table books drop constraint books__state__check"],
    /the check books__state__check is missing/
  ],
  [
    "a check on other values",
    [
      "alter table books drop constraint books__state__check",
      "alter table books add constraint books__state__check check (state = any (array['IN']))"
    ],
    /books__state__check is/
  ],
  [
    "a check not validated",
    [
      "alter table books drop constraint books__state__check",
      "alter table books add constraint books__state__check check (state = any (array['IN'::text, 'OUT'::text])) not valid"
    ],
    /was never validated/
  ],
  ["a further check", ["alter table books add constraint more check (isbn <> '')"], /the check more is not declared/],
  ["a table dropped", ["drop table books"], /public\.books: the table is missing/],
  ["a role that bypasses row security", ["alter role APP bypassrls"], /role APP: it bypasses row security/],
  ["a role that is a superuser", ["alter role RELAY superuser"], /role RELAY: it is a superuser/],
  ["a role that can log in", ["alter role APP login"], /role APP: it can log in/],
  [
    "a role that is a member of the owner",
    ["alter table books owner to OWNER", "grant OWNER to APP"],
    /APP: it is a member of OWNER/
  ],
  ["a role that makes roles", ["alter role APP createrole"], /role APP: it may create roles/],
  ["a role that replicates", ["alter role RELAY replication"], /role RELAY: it may replicate/],
  ...[
    "pg_read_all_data",
    "pg_write_all_data",
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_execute_server_program"
  ].map(
    (role) =>
      [
        `a role that is a member of ${role}`,
        ["create role MIDDLE", `grant ${role} to MIDDLE`, "grant MIDDLE to APP"],
        new RegExp(`role APP: it is a member of ${role}, which reaches further`)
      ] as const
  ),
  [
    "a role that inherits truncate",
    ["create role MIDDLE", "grant truncate on books to MIDDLE", "grant MIDDLE to APP"],
    /public\.books: APP may truncate as a member of MIDDLE/
  ],
  [
    "a role that could become one that may add triggers",
    ["create role MIDDLE", "alter role APP noinherit", "grant trigger on books to MIDDLE", "grant MIDDLE to APP"],
    /public\.books: APP may trigger as a member of MIDDLE/
  ],
  [
    "an exclusion constraint without the tenant",
    ["alter table books add constraint sole exclude using btree (isbn with =)"],
    /public\.books: the exclusion constraint sole \(isbn\) leaves out the tenant/
  ],
  ["a role that owns a table", ["alter table books owner to APP"], /APP owns it/],
  ["a role that can create tables", ["grant create on schema public to APP"], /APP may create tables/],
  ["everyone can create tables", ["grant create on schema tenon to public"], /schema tenon: RELAY may create tables/],
  ["a schema closed", ["revoke usage on schema tenon from APP"], /schema tenon: APP may not use it/],
  [
    "a view that reads as its owner",
    ["create view all_books as select * from books"],
    /public\.all_books: the view reads as its owner/
  ],
  [
    "a materialised view",
    ["create materialized view all_books as select * from books", "grant select on all_books to APP"],
    /a materialised view has no row security/
  ],
  [
    "an open table that is not declared",
    ["create table extra (id text)", "grant select on extra to APP"],
    /public\.extra: the table is not declared/
  ],
  [
    "an open table of tenants that is not declared",
    ["create table extra (tenant_id text)", "grant select on extra to APP"],
    /public\.extra: the table is not declared/
  ],
  [
    "a function that runs as its owner",
    ["create function peek() returns bigint language sql security definer as 'select count(*) from books'"],
    /public\.peek: the function runs as/
  ]
]

/** What a server may start on all the same: it keeps no tenant from another, and may be a later release's. */
const apart = new Set([
  "a grant too little",
  "a column added",
  "a column dropped",
  "a column of another type",
  "a column made required",
  "a column made optional",
  "another default",
  "an index dropped",
  "an index on other columns",
  "a unique key dropped",
  "a unique key no longer unique",
  "a unique key for some rows",
  "a foreign key dropped",
  "a foreign key that cascades",
  "a foreign key not validated",
  "a check dropped",
  "a check on other values",
  "a check not validated",
  "a further check",
  "a table dropped",
  "an open table that is not declared"
])

/** What a server looks at before it serves, seen by the owner from within a transaction. */
const holes = Effect.fnUntraced(function* (options: Migrations.Wanted) {
  const model = Ddl.fromRegistry(options.registry, options)
  const live = yield* Catalogue.read(...Catalogue.placesOf(model))
  return IsolationCheck.holes(model, live, yield* CatalogueForms.of(model))
})

class Undo extends Schema.TaggedError<Undo>()("Undo", {}) {}

it.live(
  "every kind of drift is found, and nothing else is",
  () =>
    Effect.gen(function* () {
      const database = yield* Scratch.scratch({ owner: true })
      const options = { registry, ...database.names }
      const name = (text: string) =>
        text
          .replaceAll("APP", database.names.appRole)
          .replaceAll("RELAY", database.names.relayRole)
          .replaceAll("OWNER", `${database.name}_owner`)
          .replaceAll("MIDDLE", `${database.name}_middle`)
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* Migrations.ensure(options)
        for (const [what, statements, expected] of injected) {
          const found: Array<string> = []
          const open: Array<string> = []
          yield* sql
            .withTransaction(
              Effect.gen(function* () {
                yield* Scratch.run(...statements.map(name))
                found.push(...(yield* Migrations.audit(options)).map(({ place, problem }) => `${place}: ${problem}`))
                open.push(...(yield* holes(options)).map(({ place, problem }) => `${place}: ${problem}`))
                return yield* new Undo({})
              })
            )
            .pipe(Effect.catchTag("Undo", () => Effect.void))
          assert.isTrue(
            found.some((each) => new RegExp(name(expected.source), expected.flags).test(each)),
            `${what} is not among:\n${found.join("\n")}`
          )
          assert.isAtMost(
            found.length,
            what === "a role that bypasses row security" || /role that|can create/.test(what) ? 16 : 6,
            `${what} gives ${found.join("\n")}`
          )
          assert.strictEqual(open.length === 0, apart.has(what), `${what} as a server sees it: ${open.join("\n")}`)
          assert.deepStrictEqual(yield* Migrations.audit(options), [], `after ${what}`)
        }
        // Harmless additions are no drift.
        yield* Scratch.run(
          "create index further on books (isbn)",
          "alter table books add exclude using btree (tenant_id with =, isbn with =)",
          "create view seen with (security_invoker = true) as select * from books",
          "create table notes_of_the_owner (id text)"
        )
        assert.deepStrictEqual(yield* Migrations.audit(options), [])
        assert.deepStrictEqual(yield* holes(options), [])
      }).pipe(Scratch.on(database))
    }).pipe(Effect.scoped),
  60_000
)
