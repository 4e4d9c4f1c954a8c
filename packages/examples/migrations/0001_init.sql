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
  constraint "outbox__pkey" primary key ("tenant_id", "id"),
  constraint "outbox__kind__check" check ("kind" = any (array['delivery'::text, 'event'::text]))
);
create index "outbox__kind__due_at__id__idx" on "tenon"."outbox" ("kind", "due_at", "id");
create index "outbox__tenant_id__object__id__idx" on "tenon"."outbox" ("tenant_id", "object", "id");
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

-- New table channel_deliveries
create table "public"."channel_deliveries" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "delivered" bigint not null default '0'::bigint,
  "last_position" bigint not null default '0'::bigint,
  constraint "channel_deliveries__pkey" primary key ("tenant_id", "id")
);
alter table "public"."channel_deliveries" enable row level security;
alter table "public"."channel_deliveries" force row level security;
create policy "tenant_isolation" on "public"."channel_deliveries" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."channel_deliveries" to "tenon_app";

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

-- New table threads
create table "public"."threads" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "title" text collate "C" not null,
  "created_at" timestamp with time zone not null,
  constraint "threads__pkey" primary key ("tenant_id", "id")
);
alter table "public"."threads" enable row level security;
alter table "public"."threads" force row level security;
create policy "tenant_isolation" on "public"."threads" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."threads" to "tenon_app";

-- New table channel_bindings
create table "public"."channel_bindings" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "channel_id" text collate "C" not null,
  constraint "channel_bindings__pkey" primary key ("tenant_id", "id"),
  constraint "channel_bindings__thread_id__fk" foreign key ("tenant_id", "thread_id") references "public"."threads" ("tenant_id", "id") on delete cascade deferrable initially immediate
);
create unique index "channel_bindings__thread_id__channel_id__key" on "public"."channel_bindings" ("tenant_id", "thread_id", "channel_id");
alter table "public"."channel_bindings" enable row level security;
alter table "public"."channel_bindings" force row level security;
create policy "tenant_isolation" on "public"."channel_bindings" to "tenon_app"
  using ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')))
  with check ("tenant_id" = (select nullif(current_setting('app.tenant_id', true), '')));
grant select, insert, update, delete on "public"."channel_bindings" to "tenon_app";

-- New table messages
create table "public"."messages" (
  "tenant_id" text collate "C" not null default nullif(current_setting('app.tenant_id', true), ''),
  "id" text collate "C" not null,
  "thread_id" text collate "C" not null,
  "participant_id" text collate "C" not null,
  "idempotency_key" text collate "C" not null,
  "content" jsonb not null,
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
  ('ChannelBinding', 1),
  ('ChannelDelivery', 1),
  ('Message', 1),
  ('Participant', 1),
  ('Thread', 1),
  ('Widget', 1)
on conflict ("resource") do update set "version" = excluded."version", "applied_at" = now();
