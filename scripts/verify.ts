/**
 * npm run verify [-- --json] [names…]: every check that needs no running service, one line each with its time. The
 * output of those that failed follows, and the exit code is 1. `--json` adds one line of JSON at the very end.
 */
import { run, runScript, typeChecker, type Finished } from "./run.ts"

const bin =
  (name: string, ...args: ReadonlyArray<string>) =>
  () =>
    runScript(`node_modules/.bin/${name}`, args, { capture: true })
const script =
  (name: string, ...args: ReadonlyArray<string>) =>
  () =>
    runScript(`scripts/${name}`, args, { capture: true })

const checks: Record<string, () => Promise<Finished>> = {
  /** Formatting: `npm run format` mends it. */
  format: bin("oxfmt", "--check"),
  lint: bin("oxlint", "--deny-warnings"),
  /** Types, type tests (test/types) and Effect diagnostics, floating effects among them; warnings fail too. */
  types: async () => {
    const { code, output } = await run(await typeChecker(), ["-b", "--pretty", "false"], { capture: true })
    return { code: code === 0 && /: warning TS\d+:/.test(output) ? 1 : code, output }
  },
  /** Which package may import which, and import cycles. */
  arrows: script("arrows.ts"),
  /** Files and exports of scripts and tests, and dependencies, that nothing uses. */
  dead: bin("knip", "--no-progress", "--no-config-hints"),
  /** Modules and exports of packages that nothing names. */
  unused: script("unused.ts"),
  /** Machine paths, registries, merge conflicts. */
  text: script("text.ts"),
  /** 100 generated resources stay within a budget of instantiations and memory. */
  typecost: script("typecost.ts"),
  /** `npm ci` works from any registry: `npm run lockfile` mends it. */
  lockfile: script("lockfile.mjs")
}

const json = process.argv.includes("--json")
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("-"))
const unknown = wanted.filter((name) => !(name in checks))
if (unknown.length > 0) {
  console.error(`No check named ${unknown.join(", ")}. There are: ${Object.keys(checks).join(", ")}.`)
  process.exit(2)
}

interface Result {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  readonly output: string
}

const perform = async ([name, check]: [string, () => Promise<Finished>]): Promise<Result> => {
  const started = performance.now()
  const { code, output } = await check().catch((error: unknown) => ({ code: 1, output: String(error) }))
  const result = { name, ok: code === 0, ms: Math.round(performance.now() - started), output: output.trim() }
  console.log(`${result.ok ? "ok  " : "FAIL"} ${name.padEnd(10)} ${(result.ms / 1000).toFixed(1).padStart(6)} s`)
  // What was measured is worth seeing where it is within its budget too.
  if (result.ok && name === "typecost") console.log(result.output.replace(/^/gm, "       "))
  return result
}

const queue = Object.entries(checks).filter(([name]) => wanted.length === 0 || wanted.includes(name))
const results: Array<Result> = []
const worker = async () => {
  for (let next = queue.shift(); next; next = queue.shift()) results.push(await perform(next))
}
await Promise.all([worker(), worker()])

const failed = results.filter((result) => !result.ok)
for (const { name, output } of failed) console.log(`\n--- ${name} ---\n${output}`)
console.log(failed.length === 0 ? "\nAll checks passed." : `\nFailed: ${failed.map(({ name }) => name).join(", ")}`)
if (json) {
  const rows = results.map(({ name, ok, ms, output }) => ({ name, ok, ms, ...(ok ? {} : { output }) }))
  console.log(JSON.stringify({ ok: failed.length === 0, checks: rows }))
}
process.exitCode = failed.length === 0 ? 0 : 1
