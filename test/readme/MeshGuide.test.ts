/** Walks through the guide to the mesh as its reader would: writes its files and runs its commands in their order. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
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
        ["coffee.ts", "mesh.ts", "order.ts"]
      )
      for (const [, name = "", text = ""] of files) writeFileSync(join(directory, name), text)
      assert.deepStrictEqual(commands, [
        "npx tenon run mesh.ts",
        "node order.ts espresso",
        "node order.ts latte",
        "npx tenon slip list",
        "npx tenon slip show SLIP",
        "npx tenon slip watch SLIP",
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
      const deployed = yield* tenon("deploy", "kubernetes", "mesh.ts", "--image", "coffee:1", "--hpa", "2,10,70")
      assert.match(deployed.stdout, /name: coffee-take-payment/)
      mesh.child.kill("SIGTERM")
      assert.strictEqual((yield* mesh.ended).code, 0)
    }),
  120_000
)
