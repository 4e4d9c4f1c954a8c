/** The tables of `HopStoreSql`, in a schema of their own, each bound to its tenant by row security. */

/** The names of roles that exist already: who works for a tenant, and who relays for all of them. */
export interface Roles {
  readonly appRole: string
  readonly relayRole: string
}

const schema = "tenon_slips"

const tables = {
  /** One phase of one step: the inbox row, and the outbox message while there is one. */
  hops: `correlation_id text not null, step text not null, phase text not null,
    digest text not null, status text not null check (status in ('claimed', 'waiting', 'halted', 'suspended', 'done')),
    token bigint not null default 0, claims bigint not null default 0, failures bigint not null default 0,
    due_at timestamptz not null, published_at timestamptz not null default '-infinity', skipped_by text,
    queue text, message_id text, body bytea,
    primary key (tenant_id, correlation_id, step, phase)`,
  /** Which entry of a signed log was accepted at each place. */
  heads: `correlation_id text not null, place bigint not null, digest text not null,
    primary key (tenant_id, correlation_id, place)`,
  slips: `correlation_id text not null, status text not null, activity text not null, updated_at bigint not null,
    body bytea not null, cancelled_by text, primary key (tenant_id, correlation_id)`,
  events: `correlation_id text not null, seq bigint generated always as identity, type text not null,
    step text not null, activity text not null, detail text not null, at bigint not null,
    primary key (tenant_id, correlation_id, seq)`
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Creates what is missing. Run it as the owner of the database, in a migration. */
export const ddl = ({ appRole, relayRole }: Roles): ReadonlyArray<string> => {
  const [app, relay] = [quote(appRole), quote(relayRole)]
  return [
    `create schema if not exists ${schema}`,
    `grant usage on schema ${schema} to ${app}, ${relay}`,
    ...Object.entries(tables).flatMap(([table, columns]) => [
      `create table if not exists ${schema}.${table} (
        tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''), ${columns})`,
      `alter table ${schema}.${table} enable row level security`,
      `alter table ${schema}.${table} force row level security`,
      `drop policy if exists tenant on ${schema}.${table}`,
      // The wrapped form is evaluated once per statement.
      `create policy tenant on ${schema}.${table} to ${app}
        using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))
        with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))`,
      `grant select, insert, update on ${schema}.${table} to ${app}`
    ]),
    `create index if not exists hops_due on ${schema}.hops (greatest(due_at, published_at))
      where body is not null and status <> 'halted'`,
    `create index if not exists slips_newest on ${schema}.slips (tenant_id, updated_at desc)`,
    `drop policy if exists relay on ${schema}.hops`,
    `create policy relay on ${schema}.hops to ${relay} using (true) with check (true)`,
    `grant select, update on ${schema}.hops to ${relay}`
  ]
}
