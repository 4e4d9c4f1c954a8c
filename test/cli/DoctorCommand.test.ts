import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import application from "../support/faulty.config.ts"
import { tenon } from "../support/TenonInProcess.ts"

const config = join(import.meta.dirname, "../support/faulty.config.ts")

it.live("doctor gives each fault a line of its own, and says where a database comes from", () =>
  Effect.gen(function* () {
    const { code, stdout } = yield* tenon(["doctor", "--config", config], {})
    assert.strictEqual(code, 1)
    assert.notInclude(stdout, "\ufffd")
    assert.lengthOf(application.registry.resources, 1)
    assert.match(stdout, /^ok +configuration +1 resource, /m)
    const lines = stdout.split("\n")
    const first = lines.findIndex((line) => /^MEND +actions +Faulty\.grow /.test(line))
    assert.isAtLeast(first, 0, stdout)
    assert.match(lines[first + 1] ?? "", /^ {8,}Faulty\.shrink /)
    assert.match(stdout, /^MEND +database +DATABASE_URL is not set\. .*`tenon dev` starts a database/m)
    const json = yield* tenon(["doctor", "--config", config, "--json"], {})
    const actions = JSON.parse(json.stdout).find(({ name }: { readonly name: string }) => name === "actions")
    assert.lengthOf(actions.detail.split("\n"), 2)
  })
)

it.live("doctor says why a database cannot be reached", () =>
  Effect.gen(function* () {
    const DATABASE_URL = "postgres://someone@127.0.0.1:1/none"
    const { stdout } = yield* tenon(["doctor", "--config", config], { DATABASE_URL })
    for (const name of ["database", "migrations"]) {
      assert.match(stdout, new RegExp(`^MEND +${name} .*ECONNREFUSED.*DATABASE_URL says where`, "m"))
    }
  })
)
