/** The servers of a test run. A test file asks for one with `address`; the first to ask has it started. */
import { inject } from "vitest"

declare module "vitest" {
  /** What a test file reads with `inject("…")`. */
  export interface ProvidedContext {
    /** Which PostgreSQL the file runs on: the embedded one, or the address of another. */
    readonly postgres: string
    /** Where `globalSetup` hands out the addresses of the servers that it starts. */
    readonly servers: string
  }
}

/** The servers that one run shares. */
export type Shared = "postgres"

/** The address of a shared server, which lives until the run ends. */
const address = async (name: Shared): Promise<string> => {
  const answer = await fetch(new URL(name, inject("servers")))
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  return text
}

/** The PostgreSQL of this file. The database suites run once on each that there is: see `vitest.config.ts`. */
export const postgres = async (): Promise<string> => {
  const given = inject("postgres")
  return given === "embedded" ? address("postgres") : given
}
