import type { TestProject } from "vitest/node"

declare module "vitest" {
  /** What a test file reads with `inject("…")`. A service adds its address here and provides it when it starts. */
  export interface ProvidedContext {
    /** A PostgreSQL that is not ours: TENON_TEST_DATABASE_URL, else DATABASE_URL, else null (its suites are skipped). */
    readonly machineDatabaseUrl: string | null
  }
}

/** A server that one test run shares: the embedded PostgreSQL, the embedded Restate. */
export interface Service {
  readonly start: () => Promise<{
    readonly provide: (project: TestProject) => void
    readonly stop: () => Promise<void>
  }>
}

/** Started in this order and stopped in the reverse one. */
export const services: ReadonlyArray<Service> = []
