/** `tenon dev`: the whole application on this machine, with what the environment does not name started beside it. */
import * as PurityCheck from "@tenon/core/PurityCheck"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as HttpServer from "effect/http/HttpServer"
import { resolve } from "node:path"
import * as ConfigFile from "./ConfigFile.ts"
import * as Environment from "./Environment.ts"
import * as DevelopmentKeys from "./DevelopmentKeys.ts"
import * as Infrastructure from "./Infrastructure.ts"
import * as Logging from "./Logging.ts"
import { root } from "./Root.ts"
import * as Server from "./Server.ts"
import type { TenonConfig } from "./TenonConfig.ts"
import * as Welcome from "./Welcome.ts"

export const dev = Command.make(
  "dev",
  { state: Environment.state },
  Effect.fn(function* (options) {
    const { config, json } = yield* root
    const application = yield* ConfigFile.load(config)
    const say = (message: string) => Effect.sync(() => void process.stderr.write(`${message}\n`))
    const directory = resolve(options.state)
    const settings = yield* Infrastructure.start(directory, process.env, say)
    yield* Environment.publish(directory, settings)
    const provider = Environment.withSettings(settings)
    return yield* serve(application, directory, say, { json, settings }).pipe(
      Effect.provide(Layer.provideMerge(Logging.layer(json), ConfigProvider.layer(provider)))
    )
  }, Effect.scoped)
).pipe(
  Command.withDescription("Serve on this machine; starts PostgreSQL and Restate where the environment names none"),
  Command.withExamples([{ command: "tenon dev", description: "Start everything and print what to open" }])
)

interface Speech {
  readonly json: boolean
  readonly settings: Infrastructure.Settings
}

const serve = Effect.fnUntraced(function* (
  application: TenonConfig,
  directory: string,
  say: Infrastructure.Progress,
  { json, settings }: Speech
) {
  yield* say("Database: applying migrations …")
  const anew = settings["DATABASE_URL"] === undefined ? "name an empty database" : `remove ${directory}/postgres`
  const applied = yield* migrate(application).pipe(
    Effect.catchTag("DatabaseDiffers", ({ findings }) =>
      Effect.fail(
        new OtherDeclarations({ anew, differences: findings.map(({ place, problem }) => `${place}: ${problem}`) })
      )
    )
  )
  yield* say(`Database: ready, ${applied === 0 ? "nothing to apply" : `migrations applied: ${applied}`}`)
  if (application.registry.notTenantScoped.length > 0) {
    yield* say(`Note: these resources belong to no tenant: ${application.registry.notTenantScoped.join(", ")}`)
  }
  return yield* Effect.gen(function* () {
    yield* DevelopmentKeys.ensureTenants(application.tenants)
    const keys = yield* DevelopmentKeys.ensure(directory, application.tenants)
    const server = yield* HttpServer.HttpServer
    const url = HttpServer.formatAddress(server.address)
      .replace("0.0.0.0", "localhost")
      .replace("127.0.0.1", "localhost")
    const [tenant] = Object.values(keys)
    yield* Environment.publish(directory, { ...settings, TENON_URL: url, TENON_API_KEY: tenant?.["admin"] ?? "" })
    const adminUrl = settings["RESTATE_ADMIN_URL"]
    yield* Console.log(
      json ? JSON.stringify({ ready: true, url, keys }) : Welcome.text({ application, url, keys, adminUrl })
    )
    yield* warnOfFaults(application, say)
    return yield* Effect.never
  }).pipe(Effect.provide(Server.layer(application)))
})

/** What only shows when an action runs, shown before a request does. Serving goes on meanwhile. */
const warnOfFaults = Effect.fnUntraced(function* ({ registry }: TenonConfig, say: Infrastructure.Progress) {
  const { faults } = yield* PurityCheck.check(registry, { runs: 30 })
  for (const { action, mend, problem } of faults) yield* say(`Mend: ${action} ${problem}. ${mend}.`)
})

/** Serving would fail at every request that touches what is not migrated yet. */
class DeclarationsAhead extends Schema.TaggedError<DeclarationsAhead>()("DeclarationsAhead", { count: Schema.Int }) {
  override get message() {
    return "The declarations are ahead of the migrations; run `tenon migrate generate`, look at what it writes, and start again."
  }
}

/** A development database that was set up from other declarations, or is another application's. */
class OtherDeclarations extends Schema.TaggedError<OtherDeclarations>()("OtherDeclarations", {
  anew: Schema.String,
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return [
      "The database was set up from other declarations, before there were migrations:",
      ...this.differences.map((each) => `  ${each}`),
      `To begin anew, ${this.anew}. To keep its rows, take the changes back (and what \`tenon migrate generate\` wrote for ` +
        "them), run `tenon migrate generate`, then make them again and generate once more."
    ].join("\n")
  }
}

/** From the files where there are some; else straight from the declarations, which an empty database only allows. */
const migrate = Effect.fnUntraced(function* ({ migrations, registry }: TenonConfig) {
  const files = yield* Migrations.status({ directory: migrations })
  if (files.length === 0) return (yield* Migrations.ensure({ registry })).length === 0 ? 0 : 1
  // A database that was set up before there were any files.
  yield* Migrations.adopt({ directory: migrations })
  const applied = yield* Migrations.up({ directory: migrations })
  const ahead = yield* Migrations.generate({ registry, directory: migrations, dryRun: true })
  return ahead.files.length === 0 ? applied.length : yield* new DeclarationsAhead({ count: ahead.files.length })
}, Effect.provide(AdminSql.layerConfig))
