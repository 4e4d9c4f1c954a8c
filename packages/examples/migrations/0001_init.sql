-- Generated from the declared resources. Read it, commit it with snapshot.json, and never edit it once it is applied.
-- Applied in one transaction.

-- Roles: they own nothing, bypass nothing and cannot log in; grant them to the login that works as them
do $tenon$
begin
  create role "tenon_app" nologin nosuperuser nobypassrls nocreatedb nocreaterole noreplication;
exception when duplicate_object or unique_violation then null;
end
$tenon$;
do $tenon$
begin
  create role "tenon_relay" nologin nosuperuser nobypassrls nocreatedb nocreaterole noreplication;
exception when duplicate_object or unique_violation then null;
end
$tenon$;

-- Schemas
create schema if not exists "public";
revoke create on schema "public" from public;
grant usage on schema "public" to "tenon_app";
create schema if not exists "tenon";
revoke create on schema "tenon" from public;
grant usage on schema "tenon" to "tenon_app", "tenon_relay";

-- New table tenon.migrations
create table if not exists "tenon"."migrations" (
  "name" text collate "C" not null,
  "checksum" text collate "C" not null,
  "applied_at" timestamp with time zone not null default now(),
  constraint "migrations__pkey" primary key ("name")
);

-- New table tenon._schema_versions
create table "tenon"."_schema_versions" (
  "resource" text collate "C" not null,
  "version" bigint not null,
  "applied_at" timestamp with time zone not null default now(),
  constraint "_schema_versions__pkey" primary key ("resource")
);
grant select on "tenon"."_schema_versions" to "tenon_app";
grant select on "tenon"."_schema_versions" to "tenon_relay";

-- New table tenon.tenants
create table "tenon"."tenants" (
  "id" text collate "C" not null,
  "name" text collate "C" not null,
  "status" text collate "C" not null default 'active'::text,
  "created_at" timestamp with time zone not null default now(),
  constraint "tenants__pkey" primary key ("id"),
  constraint "tenants__status__check" check ("status" = any (array['active'::text, 'suspended'::text, 'erased'::text]))
);
alter table "tenon"."tenants" enable row level security;
alter table "tenon"."tenants" force row level security;
create policy "tenant_isolation" on "tenon"."tenants" to "tenon_app"
  using ("id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."tenants" to "tenon_relay"
  using (true)
  with check (true);
grant select on "tenon"."tenants" to "tenon_app";
grant select, insert, update on "tenon"."tenants" to "tenon_relay";

-- New table tenon.api_keys
create table "tenon"."api_keys" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "hash" text collate "C" not null,
  "name" text collate "C" not null,
  "roles" text[] not null default '{}'::text[],
  "created_at" timestamp with time zone not null default now(),
  "expires_at" timestamp with time zone,
  "revoked_at" timestamp with time zone,
  constraint "api_keys__pkey" primary key ("tenant_id", "id")
);
create unique index "api_keys__tenant_id__hash__key" on "tenon"."api_keys" ("tenant_id", "hash");
create index "api_keys__hash__idx" on "tenon"."api_keys" ("hash");
alter table "tenon"."api_keys" enable row level security;
alter table "tenon"."api_keys" force row level security;
create policy "tenant_isolation" on "tenon"."api_keys" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "presented_key" on "tenon"."api_keys" to "tenon_relay"
  using ("hash" = (select nullif(current_setting('app.api_key_hash', true), '')))
  with check ("hash" = (select nullif(current_setting('app.api_key_hash', true), '')));
grant select, insert, update on "tenon"."api_keys" to "tenon_app";
grant select on "tenon"."api_keys" to "tenon_relay";

-- New table tenon.positions
create table "tenon"."positions" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "resource" text collate "C" not null,
  "parent" text collate "C" not null,
  "value" bigint not null,
  constraint "positions__pkey" primary key ("tenant_id", "resource", "parent")
);
alter table "tenon"."positions" enable row level security;
alter table "tenon"."positions" force row level security;
create policy "tenant_isolation" on "tenon"."positions" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update on "tenon"."positions" to "tenon_app";

-- New table tenon.shared_positions
create table "tenon"."shared_positions" (
  "resource" text collate "C" not null,
  "parent" text collate "C" not null,
  "value" bigint not null,
  constraint "shared_positions__pkey" primary key ("resource", "parent")
);
grant select, insert, update on "tenon"."shared_positions" to "tenon_app";

-- New table tenon.receipts
create table "tenon"."receipts" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "key" text collate "C" not null,
  "action" text collate "C" not null,
  "fingerprint" text collate "C" not null,
  "outcome" jsonb not null,
  "created_at" timestamp with time zone not null default now(),
  constraint "receipts__pkey" primary key ("tenant_id", "key")
);
create index "receipts__created_at__idx" on "tenon"."receipts" ("created_at");
alter table "tenon"."receipts" enable row level security;
alter table "tenon"."receipts" force row level security;
create policy "tenant_isolation" on "tenon"."receipts" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."receipts" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert on "tenon"."receipts" to "tenon_app";
grant select, delete on "tenon"."receipts" to "tenon_relay";

-- New table tenon.outbox
create table "tenon"."outbox" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" bigint not null generated always as identity,
  "kind" text collate "C" not null,
  "object" text collate "C" not null,
  "actor" jsonb not null,
  "body" jsonb not null,
  "created_at" timestamp with time zone not null default now(),
  "due_at" timestamp with time zone not null default now(),
  "attempts" bigint not null default '0'::bigint,
  "last_failure" text collate "C",
  "standing" text collate "C" not null default 'line'::text,
  constraint "outbox__pkey" primary key ("tenant_id", "id"),
  constraint "outbox__kind__check" check ("kind" = any (array['delivery'::text, 'event'::text])),
  constraint "outbox__standing__check" check ("standing" = any (array['line'::text, 'held'::text, 'later'::text, 'aside'::text]))
);
create index "outbox__kind__due_at__id__idx" on "tenon"."outbox" ("kind", "due_at", "id");
create index "outbox__kind__tenant_id__due_at__id__idx" on "tenon"."outbox" ("kind", "tenant_id", "due_at", "id");
create index "outbox__kind__tenant_id__object__standing__id__idx" on "tenon"."outbox" ("kind", "tenant_id", "object", "standing", "id");
create index "outbox__kind__tenant_id__created_at__id__idx" on "tenon"."outbox" ("kind", "tenant_id", "created_at", "id");
alter table "tenon"."outbox" enable row level security;
alter table "tenon"."outbox" force row level security;
create policy "tenant_isolation" on "tenon"."outbox" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."outbox" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert on "tenon"."outbox" to "tenon_app";
grant select, update, delete on "tenon"."outbox" to "tenon_relay";

-- New table tenon.runs
create table "tenon"."runs" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "workflow" text collate "C" not null,
  "key" text collate "C" not null,
  "id" text collate "C",
  "actor" jsonb,
  "input" text collate "C",
  "status" text collate "C" not null default 'waiting'::text,
  "problem" text collate "C",
  "token" bigint not null default '0'::bigint,
  "due_at" timestamp with time zone not null default now(),
  "began_at" timestamp with time zone,
  "failures" bigint not null default '0'::bigint,
  "lost" bigint not null default '0'::bigint,
  "mail" bigint not null default '0'::bigint,
  "cancelled" boolean not null default false,
  "mirrored" boolean not null default false,
  "fork" text collate "C",
  "trace" text collate "C",
  "created_at" timestamp with time zone not null default now(),
  constraint "runs__pkey" primary key ("tenant_id", "workflow", "key"),
  constraint "runs__status__check" check ("status" = any (array['waiting'::text, 'running'::text, 'paused'::text, 'done'::text, 'failed'::text, 'cancelled'::text]))
);
create index "runs__lost__due_at__idx" on "tenon"."runs" ("lost", "due_at");
alter table "tenon"."runs" enable row level security;
alter table "tenon"."runs" force row level security;
create policy "tenant_isolation" on "tenon"."runs" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."runs" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert, update on "tenon"."runs" to "tenon_app";
grant select, update on "tenon"."runs" to "tenon_relay";

-- New table tenon.run_journal
create table "tenon"."run_journal" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "workflow" text collate "C" not null,
  "key" text collate "C" not null,
  "seq" bigint not null,
  "length" bigint not null,
  "operations" text collate "C" not null,
  constraint "run_journal__pkey" primary key ("tenant_id", "workflow", "key", "seq")
);
alter table "tenon"."run_journal" enable row level security;
alter table "tenon"."run_journal" force row level security;
create policy "tenant_isolation" on "tenon"."run_journal" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert on "tenon"."run_journal" to "tenon_app";

-- New table tenon.run_signals
create table "tenon"."run_signals" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "workflow" text collate "C" not null,
  "key" text collate "C" not null,
  "name" text collate "C" not null,
  "payload" text collate "C" not null,
  "created_at" timestamp with time zone not null default now(),
  constraint "run_signals__pkey" primary key ("tenant_id", "workflow", "key", "name")
);
alter table "tenon"."run_signals" enable row level security;
alter table "tenon"."run_signals" force row level security;
create policy "tenant_isolation" on "tenon"."run_signals" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert on "tenon"."run_signals" to "tenon_app";

-- New table tenon.audit_log
create table "tenon"."audit_log" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" bigint not null generated always as identity,
  "actor" jsonb not null,
  "action" text collate "C" not null,
  "key" text collate "C",
  "reason" text collate "C" not null,
  "created_at" timestamp with time zone not null default now(),
  constraint "audit_log__pkey" primary key ("tenant_id", "id")
);
create index "audit_log__tenant_id__created_at__idx" on "tenon"."audit_log" ("tenant_id", "created_at");
alter table "tenon"."audit_log" enable row level security;
alter table "tenon"."audit_log" force row level security;
create policy "tenant_isolation" on "tenon"."audit_log" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert on "tenon"."audit_log" to "tenon_app";

-- New table tenon.removed_values
create table "tenon"."removed_values" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "resource" text collate "C" not null,
  "key" text collate "C" not null,
  "field" text collate "C" not null,
  "value" jsonb not null,
  "removed_at" timestamp with time zone not null default now(),
  constraint "removed_values__pkey" primary key ("tenant_id", "resource", "field", "key", "removed_at")
);
alter table "tenon"."removed_values" enable row level security;
alter table "tenon"."removed_values" force row level security;
create policy "tenant_isolation" on "tenon"."removed_values" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select on "tenon"."removed_values" to "tenon_app";

-- New table tenon.run_event_logs
create table "tenon"."run_event_logs" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "run" text collate "C" not null,
  "last_seq" bigint not null,
  "updated_at" timestamp with time zone not null default now(),
  constraint "run_event_logs__pkey" primary key ("tenant_id", "run")
);
create index "run_event_logs__tenant_id__updated_at__idx" on "tenon"."run_event_logs" ("tenant_id", "updated_at");
alter table "tenon"."run_event_logs" enable row level security;
alter table "tenon"."run_event_logs" force row level security;
create policy "tenant_isolation" on "tenon"."run_event_logs" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "tenon"."run_event_logs" to "tenon_app";

-- New table tenon.run_events
create table "tenon"."run_events" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "run" text collate "C" not null,
  "seq" bigint not null,
  "key" text collate "C",
  "type" text collate "C" not null,
  "data" jsonb not null,
  "created_at" timestamp with time zone not null default now(),
  constraint "run_events__pkey" primary key ("tenant_id", "run", "seq")
);
create unique index "run_events__tenant_id__run__key__key" on "tenon"."run_events" ("tenant_id", "run", "key");
alter table "tenon"."run_events" enable row level security;
alter table "tenon"."run_events" force row level security;
create policy "tenant_isolation" on "tenon"."run_events" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, delete on "tenon"."run_events" to "tenon_app";

-- New table tenon.slips
create table "tenon"."slips" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "correlation_id" text collate "C" not null,
  "status" text collate "C" not null,
  "stands" text collate "C" not null,
  "halted" bigint not null default '0'::bigint,
  "activity" text collate "C" not null,
  "updated_at" bigint not null,
  "body" bytea not null,
  constraint "slips__pkey" primary key ("tenant_id", "correlation_id")
);
create index "slips__tenant_id__updated_at__idx" on "tenon"."slips" ("tenant_id", "updated_at");
alter table "tenon"."slips" enable row level security;
alter table "tenon"."slips" force row level security;
create policy "tenant_isolation" on "tenon"."slips" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."slips" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert, update on "tenon"."slips" to "tenon_app";
grant select, delete on "tenon"."slips" to "tenon_relay";

-- New table tenon.slip_hops
create table "tenon"."slip_hops" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "correlation_id" text collate "C" not null,
  "step" text collate "C" not null,
  "phase" text collate "C" not null,
  "digest" text collate "C" not null,
  "status" text collate "C" not null,
  "token" bigint not null default '0'::bigint,
  "claims" bigint not null default '0'::bigint,
  "failures" bigint not null default '0'::bigint,
  "uncertain" boolean not null default false,
  "due_at" timestamp with time zone not null,
  "published_at" timestamp with time zone not null,
  "pending_at" timestamp with time zone,
  "skipped_by" text collate "C",
  "queue" text collate "C",
  "message_id" text collate "C",
  "body" bytea,
  constraint "slip_hops__pkey" primary key ("tenant_id", "correlation_id", "step", "phase"),
  constraint "slip_hops__status__check" check ("status" = any (array['claimed'::text, 'waiting'::text, 'undoing'::text, 'halted'::text, 'suspended'::text, 'done'::text]))
);
create index "slip_hops__pending_at__idx" on "tenon"."slip_hops" ("pending_at");
alter table "tenon"."slip_hops" enable row level security;
alter table "tenon"."slip_hops" force row level security;
create policy "tenant_isolation" on "tenon"."slip_hops" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."slip_hops" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert, update on "tenon"."slip_hops" to "tenon_app";
grant select, update, delete on "tenon"."slip_hops" to "tenon_relay";

-- New table tenon.slip_heads
create table "tenon"."slip_heads" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "correlation_id" text collate "C" not null,
  "branch" text collate "C" not null,
  "place" bigint not null,
  "digest" text collate "C" not null,
  constraint "slip_heads__pkey" primary key ("tenant_id", "correlation_id", "branch", "place")
);
alter table "tenon"."slip_heads" enable row level security;
alter table "tenon"."slip_heads" force row level security;
create policy "tenant_isolation" on "tenon"."slip_heads" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."slip_heads" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert, update on "tenon"."slip_heads" to "tenon_app";
grant select, delete on "tenon"."slip_heads" to "tenon_relay";

-- New table tenon.slip_events
create table "tenon"."slip_events" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "correlation_id" text collate "C" not null,
  "seq" bigint not null generated always as identity,
  "type" text collate "C" not null,
  "step" text collate "C" not null,
  "activity" text collate "C" not null,
  "detail" text collate "C" not null,
  "at" bigint not null,
  constraint "slip_events__pkey" primary key ("tenant_id", "correlation_id", "seq")
);
alter table "tenon"."slip_events" enable row level security;
alter table "tenon"."slip_events" force row level security;
create policy "tenant_isolation" on "tenon"."slip_events" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."slip_events" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert, update on "tenon"."slip_events" to "tenon_app";
grant select, delete on "tenon"."slip_events" to "tenon_relay";

-- New table tenon.slip_arrivals
create table "tenon"."slip_arrivals" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "correlation_id" text collate "C" not null,
  "gather" text collate "C" not null,
  "position" bigint not null,
  "branch" text collate "C" not null,
  "body" bytea not null,
  constraint "slip_arrivals__pkey" primary key ("tenant_id", "correlation_id", "gather", "position")
);
create unique index "slip_arrivals__tenant_id__correlation_id__gather__branch__key" on "tenon"."slip_arrivals" ("tenant_id", "correlation_id", "gather", "branch");
alter table "tenon"."slip_arrivals" enable row level security;
alter table "tenon"."slip_arrivals" force row level security;
create policy "tenant_isolation" on "tenon"."slip_arrivals" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."slip_arrivals" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert, update on "tenon"."slip_arrivals" to "tenon_app";
grant select, delete on "tenon"."slip_arrivals" to "tenon_relay";

-- New table tenon.slip_cancellations
create table "tenon"."slip_cancellations" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "correlation_id" text collate "C" not null,
  "scope" text collate "C" not null,
  "cancelled_by" text collate "C" not null,
  constraint "slip_cancellations__pkey" primary key ("tenant_id", "correlation_id", "scope")
);
alter table "tenon"."slip_cancellations" enable row level security;
alter table "tenon"."slip_cancellations" force row level security;
create policy "tenant_isolation" on "tenon"."slip_cancellations" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."slip_cancellations" to "tenon_relay"
  using (true)
  with check (true);
grant select, insert, update on "tenon"."slip_cancellations" to "tenon_app";
grant select, delete on "tenon"."slip_cancellations" to "tenon_relay";

-- New table tenon.purged_slips
create table "tenon"."purged_slips" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "correlation_id" text collate "C" not null,
  constraint "purged_slips__pkey" primary key ("tenant_id", "correlation_id")
);
alter table "tenon"."purged_slips" enable row level security;
alter table "tenon"."purged_slips" force row level security;
create policy "tenant_isolation" on "tenon"."purged_slips" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
create policy "relay" on "tenon"."purged_slips" to "tenon_relay"
  using (true)
  with check (true);
grant select on "tenon"."purged_slips" to "tenon_app";
grant select, insert on "tenon"."purged_slips" to "tenon_relay";

-- New table tenon.queue_messages
create table "tenon"."queue_messages" (
  "id" bigint not null generated always as identity,
  "queue" text collate "C" not null,
  "message_id" text collate "C" not null,
  "body" bytea not null,
  "deliveries" bigint not null default '0'::bigint,
  "token" bigint not null default '0'::bigint,
  "ready_at" timestamp with time zone not null,
  constraint "queue_messages__pkey" primary key ("id")
);
create index "queue_messages__queue__ready_at__id__idx" on "tenon"."queue_messages" ("queue", "ready_at", "id");
grant select, insert, update, delete on "tenon"."queue_messages" to "tenon_relay";

-- New table tenon.dead_letters
create table "tenon"."dead_letters" (
  "id" bigint not null generated always as identity,
  "queue" text collate "C" not null,
  "message_id" text collate "C" not null,
  "body" bytea not null,
  "reason" text collate "C" not null,
  "detail" text collate "C" not null,
  "fingerprint" text collate "C" not null,
  "created_at" timestamp with time zone not null default now(),
  constraint "dead_letters__pkey" primary key ("id")
);
create index "dead_letters__queue__id__idx" on "tenon"."dead_letters" ("queue", "id");
grant select, insert, delete on "tenon"."dead_letters" to "tenon_relay";

-- New table tenon.mesh_things
create table "tenon"."mesh_things" (
  "id" text collate "C" not null,
  "description" text collate "C" not null,
  "good_until" timestamp with time zone not null,
  constraint "mesh_things__pkey" primary key ("id")
);
grant select, insert, update, delete on "tenon"."mesh_things" to "tenon_relay";

-- New table agent_memory
create table "public"."agent_memory" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "agent" text collate "C" not null,
  "name" text collate "C" not null,
  "value" jsonb not null,
  "run" text collate "C" not null,
  "created_at" timestamp with time zone not null,
  "updated_at" timestamp with time zone not null,
  constraint "agent_memory__pkey" primary key ("tenant_id", "id")
);
create unique index "agent_memory__agent__name__key" on "public"."agent_memory" ("tenant_id", "agent", "name");
alter table "public"."agent_memory" enable row level security;
alter table "public"."agent_memory" force row level security;
create policy "tenant_isolation" on "public"."agent_memory" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."agent_memory" to "tenon_app";

-- New table channels
create table "public"."channels" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "kind" text collate "C" not null,
  "config" jsonb not null,
  "retry" jsonb not null default '{"attempts":8,"firstMillis":1000,"maxMillis":60000}'::jsonb,
  "status" text collate "C" not null default 'ACTIVE'::text,
  "problem" text collate "C",
  "created_at" timestamp with time zone not null,
  "updated_at" timestamp with time zone not null,
  constraint "channels__pkey" primary key ("tenant_id", "id"),
  constraint "channels__status__check" check ("status" = any (array['ACTIVE'::text, 'PAUSED'::text]))
);
alter table "public"."channels" enable row level security;
alter table "public"."channels" force row level security;
create policy "tenant_isolation" on "public"."channels" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."channels" to "tenon_app";

-- New table channel_secrets
create table "public"."channel_secrets" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "channel_id" text collate "C" not null,
  "secret" text collate "C" not null,
  "expires_at" timestamp with time zone,
  "created_at" timestamp with time zone not null,
  constraint "channel_secrets__pkey" primary key ("tenant_id", "id"),
  constraint "channel_secrets__channel_id__fk" foreign key ("tenant_id", "channel_id") references "public"."channels" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create index "channel_secrets__channel_id__idx" on "public"."channel_secrets" ("tenant_id", "channel_id");
alter table "public"."channel_secrets" enable row level security;
alter table "public"."channel_secrets" force row level security;
create policy "tenant_isolation" on "public"."channel_secrets" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."channel_secrets" to "tenon_app";

-- New table forum_deliveries
create table "public"."forum_deliveries" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "delivered" bigint not null default '0'::bigint,
  "last_position" bigint not null default '0'::bigint,
  constraint "forum_deliveries__pkey" primary key ("tenant_id", "id")
);
alter table "public"."forum_deliveries" enable row level security;
alter table "public"."forum_deliveries" force row level security;
create policy "tenant_isolation" on "public"."forum_deliveries" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."forum_deliveries" to "tenon_app";

-- New table forum_participants
create table "public"."forum_participants" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "kind" text collate "C" not null,
  "name" text collate "C" not null,
  constraint "forum_participants__pkey" primary key ("tenant_id", "id"),
  constraint "forum_participants__kind__check" check ("kind" = any (array['HUMAN'::text, 'AGENT'::text]))
);
alter table "public"."forum_participants" enable row level security;
alter table "public"."forum_participants" force row level security;
create policy "tenant_isolation" on "public"."forum_participants" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."forum_participants" to "tenon_app";

-- New table forum_threads
create table "public"."forum_threads" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "title" text collate "C" not null,
  "created_at" timestamp with time zone not null,
  constraint "forum_threads__pkey" primary key ("tenant_id", "id")
);
alter table "public"."forum_threads" enable row level security;
alter table "public"."forum_threads" force row level security;
create policy "tenant_isolation" on "public"."forum_threads" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."forum_threads" to "tenon_app";

-- New table forum_bindings
create table "public"."forum_bindings" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "channel_id" text collate "C" not null,
  constraint "forum_bindings__pkey" primary key ("tenant_id", "id"),
  constraint "forum_bindings__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."forum_threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create unique index "forum_bindings__thread_id__channel_id__key" on "public"."forum_bindings" ("tenant_id", "thread_id", "channel_id");
alter table "public"."forum_bindings" enable row level security;
alter table "public"."forum_bindings" force row level security;
create policy "tenant_isolation" on "public"."forum_bindings" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."forum_bindings" to "tenon_app";

-- New table forum_messages
create table "public"."forum_messages" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "participant_id" text collate "C" not null,
  "idempotency_key" text collate "C" not null,
  "content" jsonb not null,
  "position" bigint not null,
  "created_at" timestamp with time zone not null,
  constraint "forum_messages__pkey" primary key ("tenant_id", "id"),
  constraint "forum_messages__participant_id__fk" foreign key ("tenant_id", "participant_id") references "public"."forum_participants" ("tenant_id", "id") on delete no action deferrable initially immediate,
  constraint "forum_messages__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."forum_threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create index "forum_messages__participant_id__idx" on "public"."forum_messages" ("tenant_id", "participant_id");
create unique index "forum_messages__thread_id__idempotency_key__key" on "public"."forum_messages" ("tenant_id", "thread_id", "idempotency_key");
create unique index "forum_messages__thread_id__position__key" on "public"."forum_messages" ("tenant_id", "thread_id", "position");
alter table "public"."forum_messages" enable row level security;
alter table "public"."forum_messages" force row level security;
create policy "tenant_isolation" on "public"."forum_messages" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."forum_messages" to "tenon_app";

-- New table model_budgets
create table "public"."model_budgets" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "period" text collate "C" not null default 'month'::text,
  "token_limit" bigint,
  "cost_limit" bigint,
  "since" timestamp with time zone not null,
  "tokens" bigint not null default '0'::bigint,
  "cost" bigint not null default '0'::bigint,
  "updated_at" timestamp with time zone not null,
  constraint "model_budgets__pkey" primary key ("tenant_id", "id"),
  constraint "model_budgets__period__check" check ("period" = any (array['day'::text, 'month'::text]))
);
alter table "public"."model_budgets" enable row level security;
alter table "public"."model_budgets" force row level security;
create policy "tenant_isolation" on "public"."model_budgets" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."model_budgets" to "tenon_app";

-- New table model_usage
create table "public"."model_usage" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "run" text collate "C" not null,
  "status" text collate "C" not null default 'OPEN'::text,
  "model" text collate "C" not null default ''::text,
  "input_tokens" bigint not null default '0'::bigint,
  "output_tokens" bigint not null default '0'::bigint,
  "cost" bigint not null default '0'::bigint,
  "reserved_tokens" bigint not null default '0'::bigint,
  "reserved_cost" bigint not null default '0'::bigint,
  "created_at" timestamp with time zone not null,
  "updated_at" timestamp with time zone not null,
  constraint "model_usage__pkey" primary key ("tenant_id", "id"),
  constraint "model_usage__status__check" check ("status" = any (array['OPEN'::text, 'DONE'::text, 'FAILED'::text, 'LOST'::text]))
);
create index "model_usage__run__idx" on "public"."model_usage" ("tenant_id", "run");
create index "model_usage__status__idx" on "public"."model_usage" ("tenant_id", "status");
alter table "public"."model_usage" enable row level security;
alter table "public"."model_usage" force row level security;
create policy "tenant_isolation" on "public"."model_usage" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."model_usage" to "tenon_app";

-- New table participants
create table "public"."participants" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "kind" text collate "C" not null,
  "name" text collate "C" not null,
  constraint "participants__pkey" primary key ("tenant_id", "id"),
  constraint "participants__kind__check" check ("kind" = any (array['HUMAN'::text, 'AGENT'::text]))
);
alter table "public"."participants" enable row level security;
alter table "public"."participants" force row level security;
create policy "tenant_isolation" on "public"."participants" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."participants" to "tenon_app";

-- New table payments
create table "public"."payments" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "cents" bigint not null,
  "status" text collate "C" not null default 'PAID'::text,
  "created_at" timestamp with time zone not null,
  constraint "payments__pkey" primary key ("tenant_id", "id"),
  constraint "payments__status__check" check ("status" = any (array['PAID'::text, 'REFUNDED'::text]))
);
alter table "public"."payments" enable row level security;
alter table "public"."payments" force row level security;
create policy "tenant_isolation" on "public"."payments" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."payments" to "tenon_app";

-- New table threads
create table "public"."threads" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "title" text collate "C" not null,
  "agent" text collate "C",
  "policy" text collate "C" not null default 'enqueue'::text,
  "active_run" text collate "C",
  "created_at" timestamp with time zone not null,
  constraint "threads__pkey" primary key ("tenant_id", "id"),
  constraint "threads__policy__check" check ("policy" = any (array['enqueue'::text, 'interrupt'::text, 'reject'::text, 'coalesce'::text]))
);
alter table "public"."threads" enable row level security;
alter table "public"."threads" force row level security;
create policy "tenant_isolation" on "public"."threads" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."threads" to "tenon_app";

-- New table agent_runs
create table "public"."agent_runs" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "agent" text collate "C" not null,
  "input" jsonb,
  "parent" jsonb,
  "parent_run" text collate "C",
  "status" text collate "C" not null,
  "turn" bigint not null,
  "fork" jsonb,
  "message_id" text collate "C",
  "requested_by" text collate "C" not null,
  "requested_as" jsonb,
  "problem" text collate "C",
  "output" jsonb,
  "created_at" timestamp with time zone not null,
  "updated_at" timestamp with time zone not null,
  constraint "agent_runs__pkey" primary key ("tenant_id", "id"),
  constraint "agent_runs__status__check" check ("status" = any (array['QUEUED'::text, 'RUNNING'::text, 'WAITING'::text, 'DONE'::text, 'FAILED'::text, 'CANCELLED'::text])),
  constraint "agent_runs__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create index "agent_runs__parent_run__idx" on "public"."agent_runs" ("tenant_id", "parent_run");
create index "agent_runs__status__updated_at__idx" on "public"."agent_runs" ("tenant_id", "status", "updated_at");
create index "agent_runs__thread_id__idx" on "public"."agent_runs" ("tenant_id", "thread_id");
create index "agent_runs__thread_id__status__idx" on "public"."agent_runs" ("tenant_id", "thread_id", "status");
alter table "public"."agent_runs" enable row level security;
alter table "public"."agent_runs" force row level security;
create policy "tenant_isolation" on "public"."agent_runs" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."agent_runs" to "tenon_app";

-- New table artifacts
create table "public"."artifacts" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "name" text collate "C" not null,
  "media_type" text collate "C" not null,
  "encoding" text collate "C" not null,
  "content" text collate "C" not null,
  "size" bigint not null,
  "sha256" text collate "C" not null,
  "created_at" timestamp with time zone not null,
  "updated_at" timestamp with time zone not null,
  constraint "artifacts__pkey" primary key ("tenant_id", "id"),
  constraint "artifacts__encoding__check" check ("encoding" = any (array['text'::text, 'base64'::text])),
  constraint "artifacts__run_id__fk" foreign key ("tenant_id", "run_id") references "public"."agent_runs" ("tenant_id", "id") on delete cascade deferrable initially immediate,
  constraint "artifacts__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create unique index "artifacts__run_id__name__key" on "public"."artifacts" ("tenant_id", "run_id", "name");
create index "artifacts__thread_id__idx" on "public"."artifacts" ("tenant_id", "thread_id");
alter table "public"."artifacts" enable row level security;
alter table "public"."artifacts" force row level security;
create policy "tenant_isolation" on "public"."artifacts" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."artifacts" to "tenon_app";

-- New table channel_bindings
create table "public"."channel_bindings" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "channel_id" text collate "C" not null,
  "filter" jsonb,
  "pump" text collate "C",
  "pump_until" timestamp with time zone,
  constraint "channel_bindings__pkey" primary key ("tenant_id", "id"),
  constraint "channel_bindings__channel_id__fk" foreign key ("tenant_id", "channel_id") references "public"."channels" ("tenant_id", "id") on delete cascade deferrable initially immediate,
  constraint "channel_bindings__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create index "channel_bindings__channel_id__idx" on "public"."channel_bindings" ("tenant_id", "channel_id");
create unique index "channel_bindings__thread_id__channel_id__key" on "public"."channel_bindings" ("tenant_id", "thread_id", "channel_id");
alter table "public"."channel_bindings" enable row level security;
alter table "public"."channel_bindings" force row level security;
create policy "tenant_isolation" on "public"."channel_bindings" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."channel_bindings" to "tenon_app";

-- New table channel_deliveries
create table "public"."channel_deliveries" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "binding_id" text collate "C" not null,
  "channel_id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "message_key" text collate "C" not null,
  "position" bigint not null,
  "status" text collate "C" not null default 'PENDING'::text,
  "attempts" bigint not null default '0'::bigint,
  "problem" text collate "C",
  "next_attempt_at" timestamp with time zone,
  "delivered_at" timestamp with time zone,
  "created_at" timestamp with time zone not null,
  "updated_at" timestamp with time zone not null,
  constraint "channel_deliveries__pkey" primary key ("tenant_id", "id"),
  constraint "channel_deliveries__status__check" check ("status" = any (array['PENDING'::text, 'DELIVERED'::text, 'DEAD'::text, 'DISCARDED'::text])),
  constraint "channel_deliveries__binding_id__fk" foreign key ("tenant_id", "binding_id") references "public"."channel_bindings" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create index "channel_deliveries__binding_id__idx" on "public"."channel_deliveries" ("tenant_id", "binding_id");
create index "channel_deliveries__binding_id__status__position__idx" on "public"."channel_deliveries" ("tenant_id", "binding_id", "status", "position");
create index "channel_deliveries__channel_id__status__idx" on "public"."channel_deliveries" ("tenant_id", "channel_id", "status");
alter table "public"."channel_deliveries" enable row level security;
alter table "public"."channel_deliveries" force row level security;
create policy "tenant_isolation" on "public"."channel_deliveries" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."channel_deliveries" to "tenon_app";

-- New table messages
create table "public"."messages" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "participant_id" text collate "C" not null,
  "idempotency_key" text collate "C" not null,
  "content" jsonb not null,
  "answers" text collate "C",
  "replaces" jsonb,
  "position" bigint not null,
  "created_at" timestamp with time zone not null,
  constraint "messages__pkey" primary key ("tenant_id", "id"),
  constraint "messages__participant_id__fk" foreign key ("tenant_id", "participant_id") references "public"."participants" ("tenant_id", "id") on delete no action deferrable initially immediate,
  constraint "messages__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create index "messages__participant_id__idx" on "public"."messages" ("tenant_id", "participant_id");
create unique index "messages__thread_id__idempotency_key__key" on "public"."messages" ("tenant_id", "thread_id", "idempotency_key");
create unique index "messages__thread_id__position__key" on "public"."messages" ("tenant_id", "thread_id", "position");
alter table "public"."messages" enable row level security;
alter table "public"."messages" force row level security;
create policy "tenant_isolation" on "public"."messages" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."messages" to "tenon_app";

-- New table questions
create table "public"."questions" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "prompt" text collate "C" not null,
  "schema" jsonb not null,
  "status" text collate "C" not null default 'OPEN'::text,
  "expires_at" timestamp with time zone,
  "answer" jsonb,
  "answered_by" text collate "C",
  "answered_at" timestamp with time zone,
  "created_at" timestamp with time zone not null,
  constraint "questions__pkey" primary key ("tenant_id", "id"),
  constraint "questions__status__check" check ("status" = any (array['OPEN'::text, 'ANSWERED'::text, 'EXPIRED'::text])),
  constraint "questions__run_id__fk" foreign key ("tenant_id", "run_id") references "public"."agent_runs" ("tenant_id", "id") on delete cascade deferrable initially immediate,
  constraint "questions__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create index "questions__run_id__idx" on "public"."questions" ("tenant_id", "run_id");
create index "questions__thread_id__idx" on "public"."questions" ("tenant_id", "thread_id");
create index "questions__thread_id__status__idx" on "public"."questions" ("tenant_id", "thread_id", "status");
alter table "public"."questions" enable row level security;
alter table "public"."questions" force row level security;
create policy "tenant_isolation" on "public"."questions" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."questions" to "tenon_app";

-- New table widgets
create table "public"."widgets" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "name" text collate "C" not null,
  "status" text collate "C" not null default 'ACTIVE'::text,
  "created_at" timestamp with time zone not null,
  constraint "widgets__pkey" primary key ("tenant_id", "id"),
  constraint "widgets__status__check" check ("status" = any (array['ACTIVE'::text, 'INACTIVE'::text]))
);
alter table "public"."widgets" enable row level security;
alter table "public"."widgets" force row level security;
create policy "tenant_isolation" on "public"."widgets" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."widgets" to "tenon_app";

-- The version of each resource
insert into "tenon"."_schema_versions" ("resource", "version") values
  ('AgentMemory', 1),
  ('AgentRun', 1),
  ('Artifact', 1),
  ('ChannelBinding', 1),
  ('ChannelDelivery', 1),
  ('ChannelSecret', 1),
  ('Channel', 1),
  ('ForumBinding', 1),
  ('ForumDelivery', 1),
  ('ForumMessage', 1),
  ('ForumParticipant', 1),
  ('ForumThread', 1),
  ('Message', 1),
  ('ModelBudget', 1),
  ('ModelUsage', 1),
  ('Participant', 1),
  ('Payment', 1),
  ('Question', 1),
  ('Thread', 1),
  ('Widget', 1)
on conflict ("resource") do update set "version" = excluded."version", "applied_at" = now();
