import type { TestProject } from "vitest/node"
import { type Service, services } from "./services.ts"

/** Starts every service of `services.ts` once per run, provides its addresses to the tests, stops all at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const running: Array<Awaited<ReturnType<Service["start"]>>> = []
  const stop = async () => {
    for (const service of running.splice(0).toReversed()) await service.stop()
  }
  project.provide("machineDatabaseUrl", process.env["TENON_TEST_DATABASE_URL"] ?? process.env["DATABASE_URL"] ?? null)
  try {
    for (const service of services) {
      const started = await service.start()
      running.push(started)
      started.provide(project)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return stop
}
