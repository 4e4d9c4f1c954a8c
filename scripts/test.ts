/**
 * npm test [-- vitest arguments]: the whole suite, and a last line `N passed, N failed, N skipped`. With
 * TENON_REQUIRE_SERVICES=1 a skipped test fails the run: the services are there, so every suite has to run.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
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
const required = process.env["TENON_REQUIRE_SERVICES"] === "1" && skipped > 0
if (required) {
  console.error("\nThe services are here, so no test may be skipped. These were:")
  for (const test of tests) if (!["passed", "failed"].includes(test.status)) console.error(`  ${test.fullName}`)
}
/** vitest also fails for what belongs to no test: nothing found, an unhandled rejection. */
const outside = code !== 0 && failed === 0 ? 1 : 0
process.exitCode = code !== 0 ? code : failed > 0 || required ? 1 : 0
console.log(`\n${passed} passed, ${failed + outside} failed, ${skipped} skipped`)
