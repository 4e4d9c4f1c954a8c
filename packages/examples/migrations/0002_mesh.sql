-- Generated from the declared resources. Read it, commit it with snapshot.json, and never edit it once it is applied.
-- Applied in one transaction.

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
grant select, insert, update on "tenon"."slips" to "tenon_app";

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
  "due_at" timestamp with time zone not null,
  "published_at" timestamp with time zone not null,
  "pending_at" timestamp with time zone,
  "skipped_by" text collate "C",
  "queue" text collate "C",
  "message_id" text collate "C",
  "body" bytea,
  constraint "slip_hops__pkey" primary key ("tenant_id", "correlation_id", "step", "phase"),
  constraint "slip_hops__status__check" check ("status" = any (array['claimed'::text, 'waiting'::text, 'halted'::text, 'suspended'::text, 'done'::text]))
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
grant select, update on "tenon"."slip_hops" to "tenon_relay";

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
grant select, insert, update on "tenon"."slip_heads" to "tenon_app";

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
grant select, insert, update on "tenon"."slip_events" to "tenon_app";

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
grant select, insert, update on "tenon"."slip_arrivals" to "tenon_app";

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
grant select, insert, update on "tenon"."slip_cancellations" to "tenon_app";

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
