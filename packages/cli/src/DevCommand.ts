/** `tenon dev`: the whole application on this machine, with what the environment does not name started beside it. */
import * as AdminSql from "@tenon/sql/AdminSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HttpServer from "effect/http/HttpServer"
import { resolve } from "node:path"
import * as ConfigFile from "./ConfigFile.ts"
import * as Environment from "./Environment.ts"
import * as DevelopmentKeys from "./DevelopmentKeys.ts"
import * as Infrastructure from "./Infrastructure.ts"
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
    return yield* serve(application, directory, say, { json, adminUrl: settings["RESTATE_ADMIN_URL"] }).pipe(
      Effect.provide(ConfigProvider.layer(provider))
    )
  }, Effect.scoped)
).pipe(
  Command.withDescription("Serve on this machine; starts PostgreSQL and Restate where the environment names none"),
  Command.withExamples([{ command: "tenon dev", description: "Start everything and print what to open" }])
)

interface Speech {
  readonly json: boolean
  readonly adminUrl: string | undefined
}

const serve = Effect.fnUntraced(function* (
  application: TenonConfig,
  directory: string,
  say: Infrastructure.Progress,
  { adminUrl, json }: Speech
) {
  yield* say("Database: applying migrations …")
  const applied = yield* migrate(application)
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
    yield* Console.log(
      json ? JSON.stringify({ ready: true, url, keys }) : Welcome.text({ application, url, keys, adminUrl })
    )
    return yield* Effect.never
  }).pipe(Effect.provide(Server.layer(application)))
})

/** Serving would fail at every request that touches what is not migrated yet. */
class DeclarationsAhead extends Schema.TaggedError<DeclarationsAhead>()("DeclarationsAhead", { count: Schema.Int }) {
  override get message() {
    return "The declarations are ahead of the migrations; run `tenon migrate generate`, look at what it writes, and start again."
  }
}

/** From the files where there are some; else straight from the declarations, which an empty database only allows. */
const migrate = Effect.fnUntraced(function* ({ migrations, registry }: TenonConfig) {
  const files = yield* Migrations.status({ directory: migrations })
  if (files.length === 0) return (yield* Migrations.ensure({ registry })).length === 0 ? 0 : 1
  const ahead = yield* Migrations.generate({ registry, directory: migrations, dryRun: true })
  if (ahead.files.length > 0) return yield* new DeclarationsAhead({ count: ahead.files.length })
  return (yield* Migrations.up({ directory: migrations })).length
}, Effect.provide(AdminSql.layerConfig))
