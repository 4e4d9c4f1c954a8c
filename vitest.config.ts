import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { find } from "./test/support/machinePostgres.ts"

/**
 * Tests live in test/<package>/<Module>.test.ts. Those named *.int.test.ts work on a PostgreSQL and run once on each
 * that there is: the embedded one, always, and this machine's. No `passWithNoTests`: a run that finds nothing has
 * failed.
 */
const common = {
  pool: "forks",
  testTimeout: 20_000,
  hookTimeout: 60_000,
  sequence: { hooks: "stack" },
  chaiConfig: { truncateThreshold: 2_000 }
} as const

const database = "test/**/*.int.test.ts"
const on = (name: string, postgres: string): TestProjectInlineConfiguration => ({
  test: { ...common, name, include: [database], provide: { postgres } }
})

const machine = await find(process.env)

export default defineConfig({
  test: {
    globalSetup: ["test/support/globalSetup.ts"],
    maxWorkers: 4,
    teardownTimeout: 20_000,
    projects: [
      {
        test: {
          ...common,
          name: "here",
          include: ["test/**/!(*.int).test.ts"],
          provide: { postgres: "embedded" }
        }
      },
      on("embedded PostgreSQL", "embedded"),
      ...(machine === undefined ? [] : [on("this machine's PostgreSQL", machine)])
    ]
  }
})
