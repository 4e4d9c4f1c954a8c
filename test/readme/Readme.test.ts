/**
 * Every TypeScript block of the README is type-checked, and those that can run are run. A block is a module as it
 * stands, imports included, or an excerpt of a file that is named here; a block that this file does not know fails.
 */
import * as ApiKeys from "@tenon/core/ApiKeys"
import type { Readiness } from "@tenon/core/ReadinessChecks"
import * as EmbeddedRestate from "@tenon/embedded/EmbeddedRestate"
import * as FreePort from "@tenon/embedded/FreePort"
import { registry } from "@tenon/examples/app/App"
import * as AdminSql from "@tenon/sql/AdminSql"
import * as ApiKeysSql from "@tenon/sql/ApiKeysSql"
import * as Migrations from "@tenon/sql/Migrations"
import * as TenantSql from "@tenon/sql/TenantSql"
import * as TestDatabase from "@tenon/testing/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { execFile, spawn } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { postgres } from "../support/services.ts"

const root = resolve(import.meta.dirname, "../..")
const directory = join(root, ".tenon", "readme")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const blocksIn = (path: string) => Array.from(read(path).matchAll(/^```ts\n(.*?)^```$/gms), ([, block = ""]) => block)
const blocks = blocksIn("README.md")

/** A constant's declaration, up to the empty line after it. */
const constIn = (block: string, name: string) =>
  block
    .split("\n\n")
    .map((part) => part.slice(part.indexOf("const ")))
    .find((part) => part.startsWith(`const ${name} =`)) ?? ""

/**
 * The application with another of its layers, and what the reader imports for that; what is of no use now is exported.
 */
const swapped = (layer: string) => {
  const application = blocks.find((block) => block.includes("runMain")) ?? ""
  const [, name = ""] = /^const (\w+)/.exec(layer) ?? []
  const modules = ["core/ApiKeys", "core/AuditLog", "core/MemoryStore", "sql/RuntimeSql"]
  const names = modules.map((path) => path.split("/")[1])
  const others = "ApiKeysSql, FetchHttpClient, RestateEndpoint, RuntimeRestate, StoreSql, TenantSql"
  return [
    ...modules.map((path, index) => `import * as ${names[index]} from "@tenon/${path}"`),
    application.replace(constIn(application, name), () => layer),
    `export { ${names.join(", ")}, ${others} }`
  ].join("\n")
}

/** The blocks: how each begins, the name of its file, and its whole text. */
const known: ReadonlyArray<readonly [begins: RegExp, name: string, complete: (block: string) => string]> = [
  [/^import .*export const Widget = /s, "widget", (block) => block],
  [/^import .*runMain/s, "application", (block) => block],
  [/^\/\/ Without Restate: /, "withoutRestate", (block) => swapped(constIn(block, "Runtime"))],
  [
    /^addMessage: on\.action/,
    "addMessage",
    () => read("packages/examples/src/thread/Thread.ts").replaceAll('"../', '"./')
  ],
  [/^export const weather = /, "weather", () => read("packages/examples/src/agents/Weather.ts")],
  [/^import .*Widget\.actions\.deactivate\.decide/s, "decision", (block) => block],
  [/^import .*^it\.layer\(Testing\.layer/ms, "inMemory", (block) => block]
]
const nameOf = (block: string) => known.find(([begins]) => begins.test(block))?.[1]
const blockOf = (name: string) => blocks.find((block) => nameOf(block) === name) ?? ""
const fileOf = (name: string) => join(directory, `${name}.ts`)

rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
for (const [begins, name, complete] of known) {
  const block = blocks.find((each) => begins.test(each))
  if (block !== undefined) writeFileSync(fileOf(name), complete(block))
}

writeFileSync(fileOf("withoutPostgres"), swapped(constIn(blockOf("withoutRestate"), "Store")))

/** What the reader of the guide to channels has around its blocks: a text of which `HERE` is the block. */
const aroundChannels = [
  `import * as Agents from "@tenon/agents/Agents"
import * as Registry from "@tenon/core/Registry"
import * as Refund from "@tenon/examples/agents/Refund"
const agents = [Refund.refund]
HERE
export { registry, workflows }`,
  `import * as WebhookSignature from "@tenon/agents/WebhookSignature"
import * as Result from "effect/Result"
import type { IncomingMessage } from "node:http"
export const receive = (secret: string, request: IncomingMessage, text: string, respond: (status: number) => string) => {
HERE
return deliveryId
}`,
  `import * as Agents from "@tenon/agents/Agents"
import * as Channel from "@tenon/agents/Channel"
import * as ChannelAdapter from "@tenon/agents/ChannelAdapter"
import * as ChannelKind from "@tenon/agents/ChannelKind"
import * as ChannelLog from "@tenon/agents/ChannelLog"
import * as Registry from "@tenon/core/Registry"
import * as Refund from "@tenon/examples/agents/Refund"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
declare const page: (number: string, id: string, content: Schema.Json) => Effect.Effect<void>
const agents = [Refund.refund]
HERE
export { adapter, registry, workflows }`
]
const channelBlocks = blocksIn("docs/guide/channels.md")
for (const [index, around] of aroundChannels.entries()) {
  writeFileSync(
    fileOf(`channels${index}`),
    around.replace("HERE", () => channelBlocks[index] ?? "")
  )
}
writeFileSync(
  join(directory, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.base.json",
    compilerOptions: {
      composite: false,
      incremental: false,
      declaration: false,
      emitDeclarationOnly: false,
      noEmit: true
    },
    include: ["."]
  })
)
const decided = await import(fileOf("decision"))

describe("the README", () => {
  it("has no block that is not looked at", () => {
    assert.deepStrictEqual(
      blocks.filter((block) => nameOf(block) === undefined),
      []
    )
    assert.deepStrictEqual(
      known.map(([, name]) => name).filter((name) => !blocks.some((block) => nameOf(block) === name)),
      []
    )
  })

  it("and its guide to channels have no block that is not compiled", () => {
    assert.strictEqual(channelBlocks.length, aroundChannels.length)
  })

  it("quotes the examples as they stand", () => {
    const bare = (text: string) => text.replace(/\s+/g, "")
    assert.include(bare(read("packages/examples/src/thread/Thread.ts")), bare(blockOf("addMessage")))
    assert.include(bare(read("packages/examples/src/agents/Weather.ts")), bare(blockOf("weather")))
    for (const block of blocksIn("docs/guide/slips.md")) {
      assert.include(bare(read("packages/examples/src/trip/Trip.ts")), bare(block))
    }
  })

  it("compiles", { timeout: 60_000 }, async () => {
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
    const said = await new Promise((done) =>
      execFile(process.execPath, [compiler, "-p", directory, "--pretty", "false"], (error, output) =>
        done(error === null ? "" : `${error.message} ${output}`)
      )
    )
    assert.strictEqual(said, "")
  })

  it("decides without a layer", () => {
    assert.strictEqual(decided.decided._tag, "Success")
  })

  it.live(
    "composes an application that serves",
    () =>
      Effect.gen(function* () {
        const server = Redacted.make(yield* Effect.promise(postgres))
        const { url } = yield* TestDatabase.make(server)
        yield* Migrations.ensure({ registry }).pipe(Effect.provide(AdminSql.layer({ url })))
        const { secret } = yield* ApiKeys.create({ tenantId: "acme", name: "readme", roles: ["admin"] }).pipe(
          Effect.provide(ApiKeysSql.layer().pipe(Layer.provide(TenantSql.layer({ url }))))
        )
        const restate = yield* EmbeddedRestate.start()
        const port = yield* FreePort.one
        // The one thing that differs: two test runs cannot both have port 3000.
        writeFileSync(fileOf("application"), blockOf("application").replace("port: 3000", `port: ${port}`))
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            spawn(process.execPath, [fileOf("application")], {
              stdio: ["ignore", "inherit", "inherit"],
              env: {
                ...process.env,
                DATABASE_URL: Redacted.value(url),
                RESTATE_INGRESS_URL: restate.ingressUrl,
                RESTATE_ADMIN_URL: restate.adminUrl,
                RESTATE_IDENTITY_KEY: restate.identityKey,
                TENON_CONTEXT_KEY: `readme:${"k".repeat(32)}`
              }
            })
          ),
          (child) =>
            Effect.promise(
              () =>
                new Promise<void>((done) => {
                  if (child.exitCode !== null) return done()
                  child.once("exit", () => done())
                  child.kill("SIGTERM")
                  setTimeout(() => child.kill("SIGKILL"), 5_000).unref()
                })
            )
        )
        const made = yield* Effect.tryPromise(async () => {
          const answer = await fetch(`http://127.0.0.1:${port}/api/v1/widgets`, {
            method: "POST",
            headers: { authorization: `Bearer ${Redacted.value(secret)}`, "content-type": "application/json" },
            body: JSON.stringify({ name: "bolt" })
          })
          return { status: answer.status, body: await answer.text() }
        }).pipe(Effect.retry(Schedule.max([Schedule.spaced("200 millis"), Schedule.recurs(100)])))
        assert.strictEqual(made.status, 201, made.body)
        assert.include(made.body, `"name":"bolt"`)
        const ready = Effect.promise(async () => {
          const answer = await fetch(`http://127.0.0.1:${port}/health/ready`)
          const { checks }: { readonly checks: ReadonlyArray<Readiness> } = JSON.parse(await answer.text())
          return Object.fromEntries(checks.map((each) => [each.name, each.ready]))
        })
        assert.deepStrictEqual(yield* ready, { database: true, restate: true, schema: true })
        yield* restate.kill
        const without = yield* Effect.repeat(Effect.delay(ready, "100 millis"), {
          until: (found) => found["restate"] === false,
          times: 100
        })
        assert.deepStrictEqual(without, { database: true, restate: false, schema: true })
      }).pipe(Effect.scoped),
    { timeout: 60_000 }
  )
})

// The block is a test: imported here, it is one of this file.
await import(fileOf("inMemory"))
