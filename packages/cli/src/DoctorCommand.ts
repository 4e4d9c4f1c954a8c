/** `tenon doctor`: looks at everything an application needs and says what to mend. */
import * as MemoryStore from "@tenon/core/MemoryStore"
import * as PurityCheck from "@tenon/core/PurityCheck"
import * as Setting from "@tenon/core/Setting"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as Command from "effect/cli/Command"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as SqlClient from "effect/sql/SqlClient"
import * as Complaint from "./Complaint.ts"
import * as ConfigFile from "./ConfigFile.ts"
import * as Output from "./Output.ts"
import { print, root } from "./Root.ts"
import * as TenonConfig from "./TenonConfig.ts"

/** One thing that was looked at. */
interface Finding {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

/** Something is wrong; what is printed before. */
class Unwell extends Schema.TaggedError<Unwell>()("Unwell", { count: Schema.Int }) {
  override get message() {
    return `${this.count} ${this.count === 1 ? "thing needs" : "things need"} mending.`
  }
}

export const doctor = Command.make(
  "doctor",
  {},
  Effect.fn(function* () {
    const { config } = yield* root
    const findings: ReadonlyArray<Finding> = [
      node(),
      yield* look("configuration", describeApplication(config)),
      yield* look("actions", describeActions(config)),
      yield* look("database", describeDatabase),
      yield* look("isolation", describeIsolation),
      yield* look("migrations", describeMigrations(config)),
      yield* look("restate", describeRestate),
      yield* look("context key", describeContextKey)
    ]
    yield* print(findings, Output.table(["", "WHAT", "FOUND"], findings.flatMap(rowsOf)))
    const count = findings.filter(({ ok }) => !ok).length
    if (count > 0) return yield* new Unwell({ count })
  })
).pipe(Command.withDescription("Check configuration, actions, database, isolation, migrations and Restate"))

/** What a look found, in words; a failure's message says what to do. */
const look = <R>(name: string, effect: Effect.Effect<string, { readonly message: string }, R>) =>
  Effect.match(effect, {
    onSuccess: (detail): Finding => ({ name, ok: true, detail }),
    onFailure: (failure): Finding => ({ name, ok: false, detail: Complaint.wordsFor(failure) })
  })

const node = (): Finding => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  const ok = major > 22 || (major === 22 && minor >= 19)
  return { name: "node", ok, detail: ok ? process.version : `${process.version}; 22.19 or later is needed, 24 is best` }
}

/** A row for each line that was found. */
const rowsOf = ({ detail, name, ok }: Finding) =>
  detail.split("\n").map((line, index) => (index === 0 ? [ok ? "ok" : "MEND", name, line] : ["", "", line]))

class Ill extends Schema.TaggedError<Ill>()("Ill", { message: Schema.String }) {}

const describeApplication = Effect.fnUntraced(function* (config: string) {
  const application = yield* ConfigFile.load(config)
  yield* haveProgram(application)
  const { notTenantScoped: open, resources, workflows } = application.registry
  const note = open.length === 0 ? "all of a tenant" : `not of a tenant: ${open.join(", ")}`
  return [
    counted(resources.length, "resource"),
    note,
    ...(workflows.length === 0 ? [] : [programsOf(workflows.length)])
  ].join(", ")
})

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`

const programsOf = (count: number) =>
  `${counted(count, "workflow")} with ${count === 1 ? "its program" : "their programs"}`

/** Puts the programs together as a server does, over memory in the place of its store. Nothing of them is run. */
const haveProgram = (application: TenonConfig.TenonConfig) =>
  Layer.build(TenonConfig.programs(application)).pipe(
    Effect.provide(MemoryStore.layer(application.registry)),
    Effect.catchDefect(
      (defect) => new Ill({ message: `The layer \`workflows\` fails: ${Complaint.wordsFor(defect)}` })
    ),
    Effect.scoped
  )

/** Runs every action over drawn values: what only shows when an action runs shows here first. */
const describeActions = Effect.fnUntraced(function* (config: string) {
  const { registry } = yield* ConfigFile.load(config)
  const { actions, faults } = yield* PurityCheck.check(registry)
  const told = faults.map(({ action, mend, problem }) => `${action} ${problem}. ${mend}.`)
  if (told.length > 0) return yield* new Ill({ message: told.join("\n") })
  const unseen = actions.filter((each) => each.unseen.length > 0).map((each) => each.action)
  const note = unseen.length === 0 ? "" : `; not every branch of ${unseen.join(", ")} was reached`
  return `${actions.length} do what they declare, on ${sum(actions.map(({ runs }) => runs))} drawn cases${note}`
})

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, each) => total + each, 0)

const oldestPostgres = 150_000

const describeDatabase = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ number: number; text: string }>`
    select current_setting('server_version_num')::int as number, current_setting('server_version') as text`
  if (row === undefined || row.number < oldestPostgres) {
    return yield* new Ill({ message: `PostgreSQL ${row?.text ?? "?"}; 15 or later is needed` })
  }
  return `PostgreSQL ${row.text}`
}).pipe(Effect.provide(AdminSql.layerConfig))

/** Connecting as the application's role already refuses a role that row security does not bind. */
const describeIsolation = Effect.gen(function* () {
  const sql = yield* TenantSql.TenantSql
  yield* sql.batch({ tenantId: null }, [{ sql: "select 1", params: [] }])
  return "the application's role is bound by row-level security and owns nothing"
}).pipe(Effect.provide(TenantSql.layerConfig))

const describeMigrations = (config: string) =>
  Effect.gen(function* () {
    const { migrations: directory, registry } = yield* ConfigFile.load(config)
    const findings = yield* Migrations.check({ directory, registry })
    const [first] = findings
    if (first === undefined) return "declarations, migrations and database agree"
    return yield* new Ill({
      message: `${findings.length} findings; the first: ${first.place}: ${first.problem}. ${first.mend}`
    })
  }).pipe(Effect.provide(AdminSql.layerConfig))

const describeRestate = Effect.gen(function* () {
  const runtime = yield* Config.String("RUNTIME").pipe(Config.withDefault("restate"))
  if (runtime === "postgres") return "not needed, as RUNTIME is postgres"
  const adminUrl = yield* Setting.url("RESTATE_ADMIN_URL")
  yield* RestateAdmin.health(adminUrl)
  return `healthy at ${adminUrl}`
}).pipe(Effect.provide(FetchHttpClient.layer))

const describeContextKey = Effect.gen(function* () {
  const key = yield* Config.option(Config.Redacted("TENON_CONTEXT_KEY"))
  if (Option.isNone(key))
    return yield* new Ill({ message: "TENON_CONTEXT_KEY is not set; `tenon dev` makes one for development" })
  return "set"
})
