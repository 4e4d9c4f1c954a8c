import { defineConfig } from "vitest/config"

// Tests live in test/<package>/<Module>.test.ts; those that need a service are *.int.test.ts. No `passWithNoTests`: a
// run that finds nothing has failed.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/globalSetup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    sequence: { hooks: "stack" },
    chaiConfig: { truncateThreshold: 2_000 }
  }
})
