import type { Note } from "@tenon/cli/Supervisor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { isAlive, isGone } from "../support/Processes.ts"

const supervisor = join(import.meta.dirname, "../support/supervisor-child.ts")
const parentWatch = pathToFileURL(join(import.meta.dirname, "../../packages/cli/src/ParentWatch.ts")).href

/** A script that says its process id and stays; `onTerm` is what it does when asked to end. */
const stays = (onTerm: string) => `
process.on("SIGTERM", () => { ${onTerm} })
setInterval(() => {}, 1000)
console.log("pid " + process.pid)`

interface Scripts {
  readonly [name: string]: string
}

/** Starts the supervisor; the scope kills it. */
const start = (scripts: Scripts) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const given = Object.entries(scripts).map(([name, script]) => ({ name, script }))
      const child = spawn(process.execPath, [supervisor, JSON.stringify(given)], { stdio: ["ignore", "pipe", "pipe"] })
      const notes: Array<Note & { readonly at: number }> = []
      let rest = ""
      child.stdout.on("data", (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split("\n")
        rest = lines.pop() ?? ""
        notes.push(...lines.map((line) => ({ ...JSON.parse(line), at: Date.now() })))
      })
      let errors = ""
      child.stderr.on("data", (chunk: Buffer) => void (errors += chunk.toString()))
      const code = new Promise<number | null>((done) => void child.once("exit", (exit) => done(exit)))
      const linesOf = (task: string) => notes.filter((note) => note.task === task && note.from === "stdout")
      return {
        child,
        notes,
        linesOf,
        errors: () => errors,
        ended: Effect.promise(() => code),
        /** The process ids that a task has said, once there are `count` of them. */
        pids: (task: string, count = 1) =>
          Effect.promise(async () => {
            for (;;) {
              const pids = linesOf(task).flatMap(({ line }) => (line.startsWith("pid ") ? [Number(line.slice(4))] : []))
              if (pids.length >= count) return pids
              await new Promise((resolve) => setTimeout(resolve, 20))
            }
          }),
        /** The n-th line that a task has said. */
        line: (task: string, wanted: string) =>
          Effect.promise(async () => {
            while (!linesOf(task).some(({ line }) => line === wanted)) await new Promise((r) => setTimeout(r, 20))
          })
      }
    }),
    ({ child, linesOf, notes }) =>
      Effect.sync(() => {
        child.kill("SIGKILL")
        for (const task of new Set(notes.map((note) => note.task)))
          for (const { line } of linesOf(task))
            if (line.startsWith("pid ") && isAlive(Number(line.slice(4))))
              process.kill(Number(line.slice(4)), "SIGKILL")
      })
  )

describe("a supervisor", () => {
  it.live("starts again what ends, later each time, and leaves the others alone", () =>
    Effect.gen(function* () {
      const world = yield* start({
        steady: stays("process.exit(0)"),
        shaky: `console.log("pid " + process.pid); setTimeout(() => process.exit(7), 20)`
      })
      const [steady = 0] = yield* world.pids("steady")
      assert.strictEqual(yield* world.ended, 1)
      const shaky = yield* world.pids("shaky", 4)
      assert.strictEqual(new Set(shaky).size, 4)
      const said = world.notes.filter(({ from, task }) => from === "supervisor" && task === "shaky")
      assert.deepStrictEqual(
        said.flatMap(({ line }) => /again in (.*)$/.exec(line)?.[1] ?? []),
        ["50ms", "100ms", "200ms"]
      )
      assert.include(world.errors(), "shaky ended 4 times within 1m, the last time with exit code 7; giving up.")
      // One process for the whole time, and none once all was given up.
      assert.strictEqual((yield* world.pids("steady")).length, 1)
      assert.isTrue(yield* isGone(steady))
    })
  )

  it.live("asks each to end and waits until it has finished what it had in hand", () =>
    Effect.gen(function* () {
      const slowly = `console.log("draining"); setTimeout(() => { console.log("drained"); process.exit(0) }, 500)`
      const world = yield* start({ one: stays(slowly), two: stays(slowly) })
      yield* world.pids("one")
      yield* world.pids("two")
      world.child.kill("SIGTERM")
      yield* world.ended
      for (const task of ["one", "two"]) {
        assert.deepStrictEqual(
          world.linesOf(task).map(({ line }) => line.replace(/\d+/, "n")),
          ["pid n", "draining", "drained"]
        )
      }
    })
  )

  it.live("kills all at the second signal", () =>
    Effect.gen(function* () {
      const world = yield* start({ stubborn: stays(`console.log("no")`) })
      const [pid = 0] = yield* world.pids("stubborn")
      world.child.kill("SIGINT")
      yield* world.line("stubborn", "no")
      world.child.kill("SIGINT")
      assert.strictEqual(yield* world.ended, 1)
      assert.isTrue(yield* isGone(pid))
    })
  )

  it.live("takes with it what it started when it is killed, though that is busy and has children", () =>
    Effect.gen(function* () {
      const watched = (then: string) => `
        import { spawn } from "node:child_process"
        import * as ParentWatch from ${JSON.stringify(parentWatch)}
        import * as Effect from "effect/Effect"
        process.on("SIGTERM", () => process.exit(0))
        await Effect.runPromise(ParentWatch.start(300))
        const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" })
        console.log("pid " + process.pid)
        console.log("pid " + child.pid)
        ${then}`
      const world = yield* start({
        idle: watched("setInterval(() => {}, 1000)"),
        busy: watched("setTimeout(() => { for (;;); }, 100)")
      })
      const pids = { idle: yield* world.pids("idle", 2), busy: yield* world.pids("busy", 2) }
      yield* Effect.sleep("300 millis")
      world.child.kill("SIGKILL")
      for (const [task, [own = 0, child = 0]] of Object.entries(pids)) {
        assert.isTrue(yield* isGone(own), `${task} is still there`)
        assert.isTrue(yield* isGone(child), `the child of ${task} is still there`)
      }
    })
  )

  it.live("hands over each line whole, whoever wrote it in pieces", () =>
    Effect.gen(function* () {
      const world = yield* start({
        writer: `process.stdout.write("one\\ntw"); setTimeout(() => process.stdout.write("o ü\\r\\nthree"), 100); setTimeout(() => {}, 200)`
      })
      yield* world.line("writer", "three")
      assert.deepStrictEqual(
        world
          .linesOf("writer")
          .slice(0, 3)
          .map(({ line }) => line),
        ["one", "two ü", "three"]
      )
    })
  )
})
