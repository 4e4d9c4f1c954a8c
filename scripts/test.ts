/**
 * npm test [-- vitest arguments]: the whole suite, and a last line `N passed, N failed, N skipped`. With
 * TENON_REQUIRE_SERVICES a skipped test fails the run unless a service that it needs is not required: see
 * `test/support/requiredServices.ts`.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { required, unexcused } from "../test/support/requiredServices.ts"
import { root, runScript } from "./run.ts"

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string; readonly fullName: string }>
  }>
}

const directory = join(root, ".tenon", "test")
const file = join(directory, `results-${process.pid}.json`)
mkdirSync(directory, { recursive: true })

const needed = await required(process.env)
if (needed !== undefined) {
  process.env["TENON_REQUIRE_SERVICES"] = needed.join() || "none"
  console.log(`The suites of these services have to run: ${needed.join(", ") || "none is here"}.`)
}

const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`]
const { code } = await runScript("node_modules/vitest/vitest.mjs", ["run", ...reporters, ...process.argv.slice(2)], {
  capture: false
})

const read = (): Report | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    return undefined
  } finally {
    rmSync(file, { force: true })
  }
}

const report = read()
const tests = report?.testResults.flatMap((each) => each.assertionResults) ?? []
/** A file that could not be loaded has no tests to count, yet something failed. */
const broken = report?.testResults.filter(
  (each) => each.status === "failed" && !each.assertionResults.some((test) => test.status === "failed")
)
const passed = report?.numPassedTests ?? 0
const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
const failed = (report?.numFailedTests ?? 0) + (broken?.length ?? 0)
const wrongly = unexcused(
  tests.filter(({ status }) => !["passed", "failed"].includes(status)).map(({ fullName }) => fullName),
  needed
)
if (wrongly.length > 0) {
  console.error("\nThe services are here, so these tests may not be skipped:")
  for (const name of wrongly) console.error(`  ${name}`)
}
/** vitest also fails for what belongs to no test: nothing found, an unhandled rejection. */
const outside = code !== 0 && failed === 0 ? 1 : 0
process.exitCode = code !== 0 ? code : failed > 0 || wrongly.length > 0 ? 1 : 0
console.log(`\n${passed} passed, ${failed + outside} failed, ${skipped} skipped`)
