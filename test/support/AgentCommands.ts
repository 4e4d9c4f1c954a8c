/** The examples as `npm start` serves them, with agents on PostgreSQL, and the command line beside them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"
import * as Scratch from "./ScratchDatabase.ts"
import * as InProcess from "./TenonInProcess.ts"
import * as TenonProcess from "./TenonProcess.ts"

const root = resolve(import.meta.dirname, "../..")
export const config = join(root, "packages/examples/tenon.config.ts")

interface Fields {
  readonly [field: string]: any
}

/** What is served, what it said of itself, and where its data is. */
export class Served extends Context.Service<
  Served,
  {
    readonly welcome: string
    /** A folder of the suite's own. */
    readonly directory: string
    /** What a terminal in the same folder is told by its environment and by the file that `tenon dev` keeps there. */
    readonly env: { readonly [name: string]: string }
  }
>()("test/Served") {}

export const served = Layer.effect(
  Served,
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "tenon-agent-command-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const database = yield* Scratch.scratch()
    const own = {
      RUNTIME: "postgres",
      DATABASE_URL: Scratch.urlOf(database.name),
      TENON_STATE: directory,
      PORT: "0",
      ACCESS_LOG: "false"
    }
    const dev = yield* TenonProcess.start(["dev", "--config", config], own)
    yield* dev.says(/Ctrl-C stops everything/)
    const published: { readonly [name: string]: string } = JSON.parse(
      readFileSync(join(directory, "environment.json"), "utf8")
    )
    return { welcome: dev.said.stdout, directory, env: { ...own, ...published } }
  })
)

/** Runs `tenon` with these words in this process; `env` comes on top. */
export const tenon = (args: ReadonlyArray<string>, env: { readonly [name: string]: string } = {}) =>
  Effect.flatMap(Served, (served) => InProcess.tenon(["--config", config, ...args], { ...served.env, ...env }))

/** Runs `tenon agent` with these words, which must succeed; gives what it printed. */
export const agent = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* tenon(["agent", ...args])
  if (code !== 0) return yield* Effect.die(new Error(`tenon agent ${args.join(" ")}: ${stderr}`))
  return stdout
})

/** The same with `--json`: the one value that it printed. */
export const asked = (...args: ReadonlyArray<string>): Effect.Effect<any, never, Served> =>
  Effect.map(agent(...args, "--json"), (text) => JSON.parse(text))

/** Why `tenon agent` refuses these words, and with what exit code. */
export const refusal = (...args: ReadonlyArray<string>) =>
  Effect.map(tenon(["agent", ...args]), ({ code, stderr }) => `${code} ${stderr.trim()}`)

/** Asks until it holds; dies with what was seen last where it never does. */
export const until = Effect.fnUntraced(function* <R>(holds: (seen: any) => boolean, ask: Effect.Effect<any, never, R>) {
  for (const end = Date.now() + 15_000; ;) {
    const seen = yield* ask
    if (holds(seen)) return seen
    if (Date.now() > end) return yield* Effect.die(new Error(`It never held: ${JSON.stringify(seen)}`))
    yield* Effect.sleep("50 millis")
  }
})

/** A thread in which the weather agent has asked: its question and its run. */
export const asking = Effect.fnUntraced(function* (place: string) {
  const message: Fields = yield* asked("post", "--agent", "weather", place)
  const thread = String(message["threadId"])
  const [question] = yield* until((seen) => seen.length === 1, asked("questions", "--thread", thread))
  const [run] = yield* until((seen) => seen[0]?.status === "WAITING", asked("runs", "--thread", thread))
  return { thread, question: String(question.id), run: String(run.id) }
})

/** A line as a person types it, in a shell, with `npx tenon` found as it is after `npm install`. */
export const typed = (line: string) =>
  Effect.flatMap(Served, ({ env }) =>
    Effect.promise(
      () =>
        new Promise<string>((done, fail) => {
          const path = [dirname(process.execPath), join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter)
          const { DATABASE_URL: _, ...inherited } = process.env
          const environment = { ...inherited, PATH: path, TENON_STATE: env["TENON_STATE"] }
          execFile("sh", ["-ec", line.replace("npx tenon", "tenon")], { env: environment }, (error, output, problems) =>
            error === null ? done(output) : fail(new Error(`${line}\n${output}${problems}`, { cause: error }))
          )
        })
    )
  )
