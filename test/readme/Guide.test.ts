/**
 * Walks through the guide for host apps as its reader would: writes its files, runs its commands in their order, sends
 * its requests. What the reader sees on the way is asked for here; a block that nothing here takes up fails.
 */
import * as FreePort from "@tenon/embedded/FreePort"
import * as TestDatabase from "@tenon/testing/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { delimiter, dirname, join, resolve } from "node:path"
import { postgres } from "../support/services.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const root = resolve(import.meta.dirname, "../..")
/** As deep as `apps/tickets`, so that the same relative paths lead to the checkout. */
const directory = join(root, ".tenon", "guide")
const guide = readFileSync(join(root, "docs/guide/host-app.md"), "utf8")

interface Block {
  readonly file: string | undefined
  readonly language: string
  readonly text: string
}

/** Each fenced block, with the file that the paragraph before it begins with. */
const blocks: ReadonlyArray<Block> = Array.from(
  guide.matchAll(/^```(\w+)\n(.*?)^```$/gms),
  ({ 1: language = "", 2: text = "", index }) => {
    const paragraph = guide.slice(0, index).trim().split("\n\n").at(-1) ?? ""
    return { file: /^`([\w./-]+)`(?: - |:)/.exec(paragraph)?.[1], language, text }
  }
)
const files = blocks.filter(({ file }) => file !== undefined)
const commands = blocks.filter(({ language }) => language === "sh").map(({ text }) => text)
const change = blocks.find(({ language }) => language === "diff")?.text ?? ""

/** Adds each line marked with a plus after the unmarked one before it, and says which of those were not found. */
const applied = (text: string, diff: string): { readonly text: string; readonly lost: ReadonlyArray<string> } => {
  const lost: Array<string> = []
  let result = text
  const lines = diff.split("\n")
  lines.forEach((line, index) => {
    if (!line.startsWith("+")) return
    const after = (lines[index - 1] ?? "").slice(1).trim()
    const found = result.split("\n").find((each) => each.trim() === after)
    if (found === undefined) lost.push(after)
    else result = result.replace(found, `${found}\n${line.slice(1)}`)
  })
  return { text: result, lost }
}

const port = await Effect.runPromise(FreePort.one)
const environment = (more: { readonly [name: string]: string } = {}): NodeJS.ProcessEnv => {
  const { DATABASE_URL: _database, RESTATE_INGRESS_URL: _restate, VITEST: _vitest, ...rest } = process.env
  return {
    ...rest,
    PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter),
    PORT: String(port),
    RESTATE_ENDPOINT_PORT: "0",
    ...more
  }
}

/** Runs a block of commands, one after another; the first that fails ends it. */
const sh = (script: string, more?: { readonly [name: string]: string }): Promise<string> =>
  new Promise((done, fail) => {
    execFile(
      "sh",
      ["-ec", script.replaceAll(":3000", `:${port}`)],
      { cwd: directory, env: environment(more) },
      (error, output, problems) =>
        error === null ? done(output) : fail(new Error(`${script}\n${output}${problems}`, { cause: error }))
    )
  })

/** Starts a program that serves, and waits until it has said what is looked for. */
const serving = async (file: string, args: ReadonlyArray<string>, said: RegExp) => {
  const child = spawn(file, args, { cwd: directory, env: environment(), stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  const found = await new Promise<RegExpExecArray>((done, fail) => {
    const look = (chunk: Buffer) => {
      output += chunk.toString()
      const match = said.exec(output)
      if (match !== null) done(match)
    }
    child.stdout.on("data", look)
    child.stderr.on("data", look)
    child.once("exit", (code) => fail(new Error(`It ended with ${code}:\n${output}`)))
  })
  return { child, found, output: () => output }
}

const stop = (child: ChildProcess, signal: NodeJS.Signals = "SIGTERM") =>
  new Promise<void>((done) => {
    if (child.exitCode !== null) return done()
    child.once("exit", () => done())
    child.kill(signal)
  })

/** Whether anything listens there. */
const answers = (url: string): Promise<boolean> =>
  new Promise((done) => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    socket
      .once("error", () => done(false))
      .once("connect", () => {
        socket.destroy()
        done(true)
      })
  })

/** Where `tenon dev` keeps what it has started, for as long as it runs. */
const published = join(directory, ".tenon", "dev", "environment.json")
const readPublished = (): { readonly [name: string]: string } => JSON.parse(readFileSync(published, "utf8"))
const started = (): ReadonlyArray<string> => {
  const settings = readPublished()
  return ["TENON_URL", "DATABASE_URL", "RESTATE_INGRESS_URL", "RESTATE_ADMIN_URL"].map((name) => settings[name] ?? "")
}

const tenon = join(root, "packages/cli/src/main.ts")
const commandOf = (part: string) => commands.find((each) => each.includes(part)) ?? ""
const migrations = () => readdirSync(join(directory, "migrations")).filter((name) => name.endsWith(".sql"))

rmSync(directory, { recursive: true, force: true })
for (const { file = "", text } of files) {
  mkdirSync(dirname(join(directory, file)), { recursive: true })
  // Two test runs cannot both have port 3000.
  writeFileSync(join(directory, file), text.replace("port: 3000", `port: ${port}`))
}

describe("the guide for host apps", { timeout: 120_000 }, () => {
  it("has no block that is not looked at", () => {
    assert.deepStrictEqual(
      blocks.filter(({ file, language }) => file === undefined && language !== "sh" && language !== "diff"),
      []
    )
    assert.deepStrictEqual(
      files.map(({ file }) => file),
      [
        "package.json",
        "tsconfig.json",
        "src/Ticket.ts",
        "src/App.ts",
        "tenon.config.ts",
        "test/Ticket.test.ts",
        "src/main.ts"
      ]
    )
    assert.lengthOf(commands, 8)
  })

  it("has `tenon dev` refuse a database that was set up from other declarations, and say what to do", async () => {
    const ran = await Effect.runPromise(
      Effect.gen(function* () {
        const { url } = yield* TestDatabase.make(Redacted.make(yield* Effect.promise(postgres)))
        const state = join(directory, "earlier")
        const env = { ...environment({ DATABASE_URL: Redacted.value(url), RUNTIME: "postgres" }), TENON_STATE: state }
        const first = yield* TenonProcess.start(["dev", "--json"], env, directory)
        yield* first.says(/"ready":true/)
        yield* Effect.promise(() => stop(first.child, "SIGINT"))
        const file = join(directory, "src/Ticket.ts")
        const before = readFileSync(file, "utf8")
        writeFileSync(file, applied(before, change).text)
        const second = yield* TenonProcess.tenon(["dev", "--json"], env, directory)
        writeFileSync(file, before)
        return second
      }).pipe(Effect.scoped)
    )
    assert.strictEqual(ran.code, 1)
    assert.include(
      ran.stderr,
      "\n  public.tickets.urgent: the column is missing\nTo begin anew, name an empty database."
    )
    assert.notInclude(ran.stderr, "Apply the migrations")
  })

  it("leads to a type-checked application and its first migration", async () => {
    assert.include(await sh(commandOf("-- generate")), "0001_init.sql")
    assert.deepStrictEqual(migrations(), ["0001_init.sql"])
  })

  it("leads to the first request, and a doctor who is content", async () => {
    assert.strictEqual(commandOf("run -s dev").trim(), "npm run -s dev")
    const ready = await serving(process.execPath, [tenon, "dev", "--json"], /^\{"ready":true.*\}$/m)
    const servers = started()
    try {
      assert.deepStrictEqual(await Promise.all(servers.map(answers)), [true, true, true, true])
      const { keys } = JSON.parse(ready.found[0])
      const said = await sh(commandOf("curl"), { KEY: keys.acme.admin })
      const [made = "", listed = ""] = said.replaceAll("}{", "}\n{").split("\n")
      assert.deepInclude(JSON.parse(made), { title: "The door sticks", status: "OPEN" })
      assert.include(listed, "The door sticks")
      assert.notInclude(said, "MEND", said)
      const secret = (await sh(commandOf("-s key"), readPublished())).trim()
      const [, list = ""] = commandOf("curl").split("\n")
      assert.deepStrictEqual(JSON.parse(await sh(list, { KEY: secret })).items, [], "another tenant's")
      assert.match(said, /actions +2 do what they declare/)
    } finally {
      // As Ctrl-C does.
      await stop(ready.child, "SIGINT")
    }
    assert.deepStrictEqual(await Promise.all(servers.map(answers)), [false, false, false, false], "all is stopped")
    assert.isFalse(existsSync(published))
    // Where no terminal watches, each request is a line of JSON.
    const requests = ready
      .output()
      .split("\n")
      .filter((line) => line.includes('"path":"/api/v1/tickets"'))
      .map((line) => JSON.parse(line).annotations)
    assert.deepStrictEqual(
      requests.map(({ method, status, tenant }) => [method, status, tenant]),
      [
        ["POST", 201, "acme"],
        ["GET", 200, "acme"],
        ["GET", 200, "initech"]
      ]
    )
  })

  it("leads to tests that pass", async () => {
    assert.include(await sh(commandOf("npm test")), "passed")
  })

  it("leads to the same application over memory", async () => {
    assert.strictEqual(commandOf("npm start").trim(), "npm start")
    const { start } = JSON.parse(files[0]?.text ?? "").scripts
    const { child, found } = await serving(process.execPath, String(start).split(" ").slice(1), /KEY=(\S+)/)
    try {
      const [create = ""] = commandOf("curl").split("\n")
      let made = ""
      for (let tries = 0; tries < 50 && made === ""; tries++) {
        made = await sh(create, { KEY: found[1] ?? "" }).catch(() => "")
        if (made === "") await new Promise((done) => setTimeout(done, 100))
      }
      assert.include(made, "The door sticks")
    } finally {
      await stop(child)
    }
  })

  it("leads to a second migration, which is applied at the next start", async () => {
    const file = join(directory, "src/Ticket.ts")
    const { lost, text } = applied(readFileSync(file, "utf8"), change)
    assert.deepStrictEqual(lost, [])
    writeFileSync(file, text)
    await sh(commands.at(-1) ?? "")
    assert.lengthOf(migrations(), 2)
    const { child, found } = await serving(process.execPath, [tenon, "dev", "--json"], /^\{"ready":true.*\}$/m)
    try {
      const { keys } = JSON.parse(found[0])
      const listed = await sh(commandOf("curl").split("\n")[1] ?? "", { KEY: keys.acme.admin })
      assert.deepInclude(JSON.parse(listed).items[0], { title: "The door sticks", urgent: false })
    } finally {
      await stop(child)
    }
  })
})
