/** `tenon migrate` and `tenon explain` on a real database, as CI and a person at a terminal use them. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Scratch from "../support/ScratchDatabase.ts"
import { tenon } from "../support/TenonInProcess.ts"

const root = resolve(import.meta.dirname, "../..")

/** The widget as an application of its own, in this checkout so that its imports are found. */
const application = Effect.acquireRelease(
  Effect.sync(() => {
    mkdirSync(join(root, ".tenon"), { recursive: true })
    const directory = mkdtempSync(join(root, ".tenon", "migrate-"))
    writeFileSync(
      join(directory, "tenon.config.ts"),
      `import * as TenonConfig from "@tenon/cli/TenonConfig"
import * as Registry from "@tenon/core/Registry"
import { Widget } from "@tenon/examples/widget/Widget"
export default TenonConfig.define({ directory: import.meta.dirname, registry: Registry.make({ resources: [Widget] }) })
`
    )
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

it.live("migrations are generated, applied and held against the database; an action is explained and not done", () =>
  Effect.gen(function* () {
    const database = yield* Scratch.scratch()
    const directory = yield* application
    const env = { DATABASE_URL: Scratch.urlOf(database.name) }
    const files = () => readdirSync(directory).includes("migrations") && readdirSync(join(directory, "migrations"))
    const run = (...args: ReadonlyArray<string>) =>
      tenon(["--config", join(directory, "tenon.config.ts"), ...args], env)
    const well = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
      const answer = yield* run(...args)
      assert.strictEqual(answer.code, 0, answer.stderr)
      return answer.stdout
    })

    assert.include(yield* well("migrate", "generate", "--dry-run"), "-- 0001_init.sql\n")
    assert.isFalse(files())
    assert.include(yield* well("migrate", "generate"), "0001_init.sql")
    assert.deepStrictEqual(files(), ["0001_init.sql", "snapshot.json"])
    assert.match(yield* well("migrate", "status"), /^pending +0001_init\.sql$/m)
    const behind = yield* run("migrate", "check")
    assert.strictEqual(behind.code, 1, "CI hears of what is not applied")
    assert.strictEqual(yield* well("migrate", "up"), "Applied 0001_init.sql\n")
    assert.strictEqual(yield* well("migrate", "up"), "Nothing to apply.\n")
    assert.match(yield* well("migrate", "status"), /^applied +0001_init\.sql +\d{4}-/m)
    assert.include(yield* well("migrate", "check"), "policies and grants included")
    assert.deepStrictEqual(JSON.parse(yield* well("migrate", "check", "--json")), [])

    const on = Scratch.on(database)
    yield* on(
      Scratch.run(
        "insert into widgets (tenant_id, id, name, status, created_at) values ('acme', 'w', 'bolt', 'ACTIVE', now())"
      )
    )
    const explain = ["explain", "Widget.deactivate", "--key", "w", "--tenant"] as const
    const allowed = yield* well(...explain, "acme")
    assert.match(allowed, /^would save Widget: .*"status":"INACTIVE"/m)
    assert.match(allowed, /^nothing was committed$/m)
    assert.deepStrictEqual(yield* on(Scratch.run("select status from widgets")), [{ status: "ACTIVE" }])
    assert.match(yield* well(...explain, "acme", "--roles", "viewer"), /^policy: denied, .*editor/m)
    assert.match(yield* well(...explain, "globex"), /^fails: 404 /m)

    yield* on(Scratch.run("alter table widgets no force row level security"))
    const drifted = yield* run("migrate", "check")
    assert.strictEqual(drifted.code, 1)
    assert.match(drifted.stdout, /^public\.widgets: row security is not forced/m)
  }).pipe(Effect.scoped)
)
