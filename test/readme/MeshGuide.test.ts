/** Walks through the guide to the mesh as its reader would: writes its files and runs its commands in their order. */
import * as TestDatabase from "@tenon/testing/TestDatabase"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { postgres } from "../support/services.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const root = resolve(import.meta.dirname, "../..")
const directory = join(root, ".tenon", "mesh-guide")
const guide = readFileSync(join(root, "docs/guide/mesh.md"), "utf8")

const files = Array.from(guide.matchAll(/^`([\w.]+)` - [^`]*?(?:`\w+`[^`]*?)*\n\n```ts\n(.*?)^```$/gms))
const commands = Array.from(guide.matchAll(/^```sh\n(.*?)^```$/gms), ([, text = ""]) => text.trim().split("\n")).flat()

const env = {
  DATABASE_URL: undefined,
  REDIS_URL: undefined,
  RABBITMQ_URL: undefined,
  TRANSPORT: undefined,
  LOG_FORMAT: "line",
  TENON_STATE: join(directory, "state")
}

it.live(
  "the guide to the mesh does what it says",
  () =>
    Effect.gen(function* () {
      rmSync(directory, { recursive: true, force: true })
      mkdirSync(directory, { recursive: true })
      assert.deepStrictEqual(
        files.map(([, name]) => name),
        ["coffee.ts", "mesh.ts", "order.ts", "tenon.config.ts"]
      )
      for (const [, name = "", text = ""] of files) writeFileSync(join(directory, name), text)
      assert.deepStrictEqual(commands, [
        "npx tenon run mesh.ts",
        "npx node order.ts espresso",
        "npx node order.ts latte",
        "npx tenon slip list",
        "npx tenon slip show SLIP",
        "npx tenon slip watch SLIP",
        "npx tenon migrate generate",
        "npx tenon migrate up",
        "npx tenon deploy kubernetes mesh.ts --image coffee:1 --hpa 2,10,70"
      ])
      const tenon = (...args: ReadonlyArray<string>) => TenonProcess.tenon(args, env, directory)
      const mesh = yield* TenonProcess.start(["run", "mesh.ts"], env, directory)
      yield* mesh.says(/INFO +ready/, 2)

      const order = (drink: string) =>
        Effect.gen(function* () {
          const answer = yield* Effect.scoped(
            Effect.flatMap(TenonProcess.node(["order.ts", drink], env, directory), ({ ended }) => ended)
          )
          assert.strictEqual(answer.code, 0, answer.stderr)
          return answer.stdout.trim()
        })
      const espresso = yield* order("espresso")
      const latte = yield* order("latte")
      const good = yield* tenon("slip", "watch", espresso)
      assert.strictEqual(good.code, 0, good.stderr)
      const bad = yield* tenon("slip", "watch", latte)
      assert.strictEqual(bad.code, 1)
      const shown = yield* tenon("slip", "show", latte)
      assert.match(shown.stdout, /^1 +take-payment +undone/m)
      assert.match(shown.stdout, /^2 +brew +faulted .*OutOfMilk/m)
      const listed = yield* tenon("slip", "list")
      assert.match(listed.stdout, new RegExp(`^${espresso} +completed`, "m"))
      assert.match(mesh.said.stderr, /^take-payment \| .*giving back/m)
      const [, text = ""] = /`npx tenon slip activities --text (\w+)`/.exec(guide) ?? []
      const able = yield* tenon("slip", "activities", "--text", text)
      assert.match(able.stdout, /^brew +coffee\/brew on /m)
      const deployed = yield* tenon("deploy", "kubernetes", "mesh.ts", "--image", "coffee:1", "--hpa", "2,10,70")
      assert.match(deployed.stdout, /name: coffee-take-payment/)
      mesh.child.kill("SIGTERM")
      assert.strictEqual((yield* mesh.ended).code, 0)
    }),
  120_000
)

it.live(
  "a database of one's own is asked for before anything starts, and set up as the guide says",
  () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.make(Redacted.make(yield* Effect.promise(postgres)))
      const own = { ...env, DATABASE_URL: Redacted.value(url) }
      const tenon = (...args: ReadonlyArray<string>) => TenonProcess.tenon(args, own, directory)
      for (const one of [[], ["--activity-name", "brew"]]) {
        const refused = yield* tenon("run", "mesh.ts", ...one)
        assert.strictEqual(refused.code, 1)
        assert.match(refused.stderr, /^The database is not set up for a mesh: .*`tenon migrate generate`.*\n$/)
      }
      for (const command of ["generate", "up"]) {
        const done = yield* tenon("migrate", command)
        assert.strictEqual(done.code, 0, done.stderr)
        assert.include(done.stdout, "0001_init.sql")
      }
      const worker = yield* TenonProcess.start(["run", "mesh.ts", "--activity-name", "brew"], own, directory)
      yield* worker.says(/INFO +ready/)
      worker.child.kill("SIGTERM")
      assert.strictEqual((yield* worker.ended).code, 0)
    }),
  120_000
)
