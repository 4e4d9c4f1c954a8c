/** The guide to agents: its application is checked and started as it stands, and its test is one of this file. */
import * as TestDatabase from "@tenon/testing/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { postgres } from "../support/services.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const root = resolve(import.meta.dirname, "../..")
const directory = join(root, ".tenon", "agents-guide")
const guide = readFileSync(join(root, "docs/guide/agents.md"), "utf8")
const blocks = Array.from(guide.matchAll(/^```ts\n(.*?)^```$/gms), ([, text = ""]) => text)
const files = ["src/App.ts", "tenon.config.ts", "test/Assistant.test.ts"]

rmSync(directory, { recursive: true, force: true })
for (const folder of ["src", "test"]) mkdirSync(join(directory, folder), { recursive: true })
for (const [index, file] of files.entries()) writeFileSync(join(directory, file), blocks[index] ?? "")
const emitNothing = { composite: false, incremental: false, declaration: false, emitDeclarationOnly: false }
writeFileSync(
  join(directory, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.base.json",
    compilerOptions: { ...emitNothing, noEmit: true },
    include: ["."]
  })
)

describe("the guide to agents", { timeout: 120_000 }, () => {
  it("has no block that is not looked at", () => {
    assert.strictEqual(blocks.length, files.length)
    for (const file of files.slice(0, 2)) assert.include(guide, `\`${file}\` - `)
  })

  it.live("compiles", () =>
    Effect.gen(function* () {
      const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
      const checked = yield* TenonProcess.node([compiler, "-p", directory, "--pretty", "false"])
      assert.deepStrictEqual(yield* checked.ended, { code: 0, stdout: "", stderr: "" })
    }).pipe(Effect.scoped)
  )

  it.live("leads to an application that starts, and answers", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.make(Redacted.make(yield* Effect.promise(postgres)))
      const env = {
        DATABASE_URL: Redacted.value(url),
        RUNTIME: "postgres",
        PORT: "0",
        TENON_STATE: join(directory, "state"),
        TENON_URL: undefined
      }
      const tenon = (...args: ReadonlyArray<string>) => TenonProcess.tenon(args, env, directory)
      const dev = yield* TenonProcess.start(["dev", "--json"], env, directory)
      yield* dev.says(/"ready":true/)
      const posted = yield* tenon("agent", "post", "--agent", "weather", "Graz")
      assert.strictEqual(posted.code, 0, posted.stderr)
      const asked = Effect.map(tenon("agent", "questions"), ({ stdout }) => stdout)
      const seen = yield* Effect.repeat(asked, { until: (text) => text.includes("Storm warning"), times: 50 })
      assert.include(seen, "Storm warning for Graz")
      const looked = yield* tenon("doctor")
      assert.match(
        looked.stdout,
        /^ok +configuration +13 resources, all of a tenant, 3 workflows with their programs$/m
      )
      const [agents = "", programs = ""] = ["Agents.layer(", "Workflow.layer(Agents.implement("]
      const app = (blocks[0] ?? "").replace(agents, programs).replace(".weather)", ".weather))")
      const workflow = 'import * as Workflow from "@tenon/core/Workflow"\n'
      writeFileSync(join(directory, "src/Lacking.ts"), `${workflow}${app}`)
      const config = (blocks[1] ?? "").replace("App.ts", "Lacking.ts")
      writeFileSync(join(directory, "lacking.config.ts"), config)
      const lacking = yield* tenon("--config", "lacking.config.ts", "doctor")
      assert.match(lacking.stdout, /^MEND +configuration +No program is given for DeliverMessages, WakeChannel: /m)
    })
  )
})

// The block is a test: imported here, it is one of this file.
await import(join(directory, files[2] ?? ""))
