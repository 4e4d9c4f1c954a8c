/** What the live database holds, read from PostgreSQL's catalogue. Reads only, and needs no privilege. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as DatabaseModel from "./DatabaseModel.ts"
import type { Row, Statement } from "./TenantSqlConnection.ts"

const Names = Schema.Array(Schema.String)
const Text = Schema.String
const Maybe = Schema.NullOr(Schema.String)

export const Relation = Schema.Struct({
  schema: Text,
  name: Text,
  /** As in `pg_class.relkind`: `r` a table, `p` a partitioned one, `v` a view, `m` a materialised view. */
  kind: Text,
  owner: Text,
  secured: Schema.Boolean,
  forced: Schema.Boolean,
  invoker: Schema.Boolean,
  columns: Schema.Array(
    Schema.Struct({ name: Text, type: Text, nullable: Schema.Boolean, default: Maybe, identity: Text })
  ),
  /** By `pg_constraint.contype`: `p`, `u`, `f`, `c`, `x`. */
  constraints: Schema.Array(
    Schema.Struct({
      name: Text,
      type: Text,
      columns: Names,
      targetSchema: Maybe,
      target: Maybe,
      targetColumns: Names,
      onDelete: Text,
      nulled: Names,
      deferrable: Schema.Boolean,
      deferred: Schema.Boolean,
      valid: Schema.Boolean,
      expression: Maybe
    })
  ),
  indexes: Schema.Array(
    Schema.Struct({
      name: Text,
      columns: Names,
      unique: Schema.Boolean,
      primary: Schema.Boolean,
      valid: Schema.Boolean,
      partial: Schema.Boolean
    })
  ),
  policies: Schema.Array(
    Schema.Struct({ name: Text, permissive: Schema.Boolean, roles: Names, command: Text, using: Maybe, check: Maybe })
  ),
  /** Privileges of others than the owner; `PUBLIC` for everyone. */
  grants: Schema.Array(Schema.Struct({ role: Text, privilege: Text, column: Maybe, grantable: Schema.Boolean })),
  /** What row security does not bind, and the named roles may do as members of others. */
  inherited: Schema.Array(Schema.Struct({ role: Text, privilege: Text, via: Text }))
})
export interface Relation extends Schema.Struct.Type<typeof Relation.fields> {}

export const Role = Schema.Struct({
  name: Text,
  superuser: Schema.Boolean,
  bypasses: Schema.Boolean,
  login: Schema.Boolean,
  /** `CREATEROLE`, with which it could give itself what it has not. */
  makesRoles: Schema.Boolean,
  /** `REPLICATION`, which reads every table. */
  replicates: Schema.Boolean,
  /** Roles that it is a member of and that are superusers, bypass row security, or own a table here. */
  escapes: Names,
  /** PostgreSQL's own roles that it is a member of and that reach past grants, or past the database. */
  reaches: Names
})
export interface Role extends Schema.Struct.Type<typeof Role.fields> {}

export const Catalogue = Schema.Struct({
  relations: Schema.Array(Relation),
  roles: Schema.Array(Role),
  schemas: Schema.Array(Schema.Struct({ name: Text, role: Text, usage: Schema.Boolean, create: Schema.Boolean })),
  /** Functions that run as their owner and that one of the roles may call. */
  definers: Schema.Array(Schema.Struct({ schema: Text, name: Text, owner: Text }))
})
export interface Catalogue extends Schema.Struct.Type<typeof Catalogue.fields> {}

const decode = Schema.decodeUnknownEffect(Catalogue)
const list = (query: string) => `coalesce((${query}), '[]'::jsonb)`
const names = (keys: string, relation: string) =>
  list(
    `select jsonb_agg(a.attname::text order by u.n) from unnest(${keys}) with ordinality as u(attnum, n) join pg_attribute a on a.attrelid = ${relation} and a.attnum = u.attnum`
  )
/** In `pg_policy`, `aclexplode` and `pg_default_acl` the role 0 is everyone. */
const roleName = (oid: string) => `case when ${oid} = 0 then 'PUBLIC' else pg_get_userbyid(${oid})::text end`

const columns = list(`select jsonb_agg(jsonb_build_object(
    'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
    'default', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity::text) order by a.attnum)
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped`)

const constraints = list(`select jsonb_agg(jsonb_build_object(
    'name', k.conname, 'type', k.contype::text, 'columns', ${names("k.conkey", "k.conrelid")},
    'targetSchema', tn.nspname, 'target', t.relname, 'targetColumns', ${names("k.confkey", "k.confrelid")},
    'onDelete', k.confdeltype::text, 'nulled', ${names("k.confdelsetcols", "k.conrelid")},
    'deferrable', k.condeferrable, 'deferred', k.condeferred, 'valid', k.convalidated,
    'expression', pg_get_expr(k.conbin, k.conrelid)) order by k.conname)
  from pg_constraint k left join pg_class t on t.oid = k.confrelid left join pg_namespace tn on tn.oid = t.relnamespace
  where k.conrelid = c.oid and k.contype in ('p', 'u', 'f', 'c', 'x')`)

const indexes = list(`select jsonb_agg(jsonb_build_object(
    'name', ic.relname, 'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid and i.indisready,
    'partial', i.indpred is not null,
    'columns', ${list(`select jsonb_agg(coalesce(a.attname::text, '(expression)') order by g.n) from generate_series(0, i.indnkeyatts - 1) as g(n) left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[g.n]`)}
  ) order by ic.relname)
  from pg_index i join pg_class ic on ic.oid = i.indexrelid where i.indrelid = c.oid`)

const policies = list(`select jsonb_agg(jsonb_build_object(
    'name', p.polname, 'permissive', p.polpermissive, 'command', p.polcmd::text,
    'roles', ${list(`select jsonb_agg(${roleName("r.oid")} order by 1) from unnest(p.polroles) as r(oid)`)},
    'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)) order by p.polname)
  from pg_policy p where p.polrelid = c.oid`)

const grants = list(`select jsonb_agg(jsonb_build_object(
    'role', ${roleName("g.grantee")}, 'privilege', lower(g.privilege_type), 'column', g.attname, 'grantable', g.is_grantable)
    order by ${roleName("g.grantee")}, g.privilege_type, g.attname)
  from (
    select x.grantee, x.privilege_type, x.is_grantable, null::name as attname from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
    union all
    select x.grantee, x.privilege_type, x.is_grantable, a.attname from pg_attribute a, aclexplode(a.attacl) x
    where a.attrelid = c.oid and not a.attisdropped
  ) g where g.grantee <> c.relowner`)

/** PostgreSQL, 22.5: predefined roles that read and write whatever there is, or the server's files, or run programs. */
const farReaching = [
  "pg_read_all_data",
  "pg_write_all_data",
  "pg_read_server_files",
  "pg_write_server_files",
  "pg_execute_server_program"
]

/** Whoever is a member of a table's owner is found as such. */
const inherited =
  list(`select jsonb_agg(jsonb_build_object('role', m.role, 'privilege', p.name, 'via', m.via) order by m.role, m.via, p.name)
  from members m, unnest(array['truncate', 'references', 'trigger']) as p(name)
  where m.oid <> c.relowner and has_table_privilege(m.oid, c.oid, p.name)
    and not exists (select from members o where o.role = m.role and o.oid = c.relowner)
    and not exists (select from aclexplode(c.relacl) x where x.grantee = 0 and lower(x.privilege_type) = p.name)`)

const query = `with members as materialized (
  select r.rolname as role, o.oid, o.rolname as via from pg_roles r join pg_roles o on o.oid <> r.oid and pg_has_role(r.oid, o.oid, 'member')
  where r.rolname in (select jsonb_array_elements_text($2::jsonb)) and not r.rolsuper and not o.rolsuper
)
select jsonb_build_object(
  'relations', ${list(`select jsonb_agg(jsonb_build_object(
      'schema', n.nspname, 'name', c.relname, 'kind', c.relkind::text, 'owner', pg_get_userbyid(c.relowner)::text,
      'secured', c.relrowsecurity, 'forced', c.relforcerowsecurity,
      'invoker', exists (select from pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker' and o.option_value in ('true', 'on', '1', 'yes')),
      'columns', ${columns}, 'constraints', ${constraints}, 'indexes', ${indexes}, 'policies', ${policies}, 'grants', ${grants}, 'inherited', ${inherited})
      order by n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in (select jsonb_array_elements_text($1::jsonb)) and c.relkind in ('r', 'p', 'v', 'm', 'f')`)},
  'roles', ${list(`select jsonb_agg(jsonb_build_object(
      'name', r.rolname, 'superuser', r.rolsuper, 'bypasses', r.rolbypassrls, 'login', r.rolcanlogin,
      'makesRoles', r.rolcreaterole, 'replicates', r.rolreplication,
      'reaches', ${list(`select jsonb_agg(m.via order by m.via) from members m where m.role = r.rolname and m.via in (${farReaching.map((each) => `'${each}'`).join(", ")})`)},
      'escapes', ${list(`select jsonb_agg(o.rolname::text order by o.rolname) from pg_roles o
        where o.oid <> r.oid and pg_has_role(r.oid, o.oid, 'member') and not r.rolsuper and (o.rolsuper or o.rolbypassrls or exists (
          select from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relowner = o.oid and n.nspname in (select jsonb_array_elements_text($1::jsonb))))`)})
      order by r.rolname)
    from pg_roles r where r.rolname in (select jsonb_array_elements_text($2::jsonb))`)},
  'schemas', ${list(`select jsonb_agg(jsonb_build_object(
      'name', n.nspname, 'role', r.rolname, 'usage', has_schema_privilege(r.oid, n.oid, 'usage'), 'create', has_schema_privilege(r.oid, n.oid, 'create'))
      order by n.nspname, r.rolname)
    from pg_namespace n, pg_roles r
    where n.nspname in (select jsonb_array_elements_text($1::jsonb)) and r.rolname in (select jsonb_array_elements_text($2::jsonb))`)},
  'definers', ${list(`select jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', f.proname, 'owner', pg_get_userbyid(f.proowner)::text) order by n.nspname, f.proname)
    from pg_proc f join pg_namespace n on n.oid = f.pronamespace
    where f.prosecdef and n.nspname in (select jsonb_array_elements_text($1::jsonb)) and exists (
      select from pg_roles r where r.rolname in (select jsonb_array_elements_text($2::jsonb)) and has_function_privilege(r.oid, f.oid, 'execute'))`)}
) as catalogue`

const statement = (schemas: ReadonlyArray<string>, roles: ReadonlyArray<string>): Statement => ({
  sql: query,
  params: [JSON.stringify(schemas), JSON.stringify(roles)],
  prepare: false
})

/** Where a model's tables are, and its roles: what it must be held against. */
export const placesOf = (model: DatabaseModel.Model) =>
  [[...new Set([model.schema, DatabaseModel.frameworkSchema])], Object.values(model.roles)] as const

/** Asks for what a model must be held against; the answer is for `fromRow`. */
export const statementOf = (model: DatabaseModel.Model): Statement => statement(...placesOf(model))

/** The one row that a statement answers with. */
export const fromRow = (row: Row | undefined) => Effect.orDie(decode(row?.["catalogue"]))

/** Reads the schemas as they are, and the named roles, as the owner. */
export const read = Effect.fn("Catalogue.read")(function* (
  schemas: ReadonlyArray<string>,
  roles: ReadonlyArray<string>
) {
  const client = yield* SqlClient.SqlClient
  const { params, sql } = statement(schemas, roles)
  const [row] = yield* client.unsafe<Row>(sql, params)
  return yield* fromRow(row)
})
