/** `tenon agent` as its user types it, against the examples as `npm start` serves them, with agents on PostgreSQL. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join, resolve } from "node:path"
import { agent, asked, asking, config, refusal, Served, served, tenon, typed, until } from "../support/AgentCommands.ts"
import * as TenonProcess from "../support/TenonProcess.ts"

const guide = readFileSync(resolve(import.meta.dirname, "../../docs/guide/agents.md"), "utf8")
const [, block = ""] = /^```sh\n(.*?)^```$/ms.exec(guide) ?? []

/** The words of the guide's line that begins so, with what is written in capitals replaced. */
const shown = (verb: string, names: { readonly [name: string]: string } = {}): ReadonlyArray<string> => {
  const line = block.split("\n").find((each) => each.startsWith(`npx tenon agent ${verb}`)) ?? "missing"
  const words = line.replace(/\s+#.*$/, "").matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)
  return Array.from(words, ([, single, double, bare]) => single ?? double ?? names[bare ?? ""] ?? bare ?? "").slice(3)
}

const statusOf = (run: string) => Effect.map(asked("show", run), ({ status }) => status)

/** Waits until a run of a thread stands so. One that was asked for just now may not be there yet. */
const stands = (status: string, run: string, thread: string) =>
  until(
    (seen) => seen.some((each: { readonly id: string }) => each.id === run),
    asked("runs", "--thread", thread, "--status", status)
  )

it.layer(served, { excludeTestServices: true, timeout: "60 seconds" })("tenon agent", (it) => {
  it.effect(
    "does what `npm start` proposes",
    () =>
      Effect.gen(function* () {
        const { welcome } = yield* Served
        const [, tries = ""] = /^Try:\n(.*?)\n\n/ms.exec(welcome) ?? []
        const [create = "", list = "", other = "", post = "", questions = "", messages = "", ...more] = tries
          .split("\n")
          .map((line) => line.trim())
        assert.deepStrictEqual(more, [])
        const { id } = JSON.parse(yield* typed(create))
        assert.deepStrictEqual(
          JSON.parse(yield* typed(list)).items.map((each: { readonly id: string }) => each.id),
          [id]
        )
        assert.deepStrictEqual(JSON.parse(yield* typed(other)).items, [])

        const [, thread = ""] = /^thread (\S+), message 1\n.+ tenon agent messages \1\n$/.exec(yield* typed(post)) ?? []
        yield* until((seen) => seen.length === 1, asked("questions"))
        const [, question = ""] =
          /^ID +THREADID +PROMPT +EXPIRESAT\n(\S+) .*Send "Storm warning for Graz" to everyone\?/.exec(
            yield* typed(questions)
          ) ?? []
        const [, answer = ""] = /(npx tenon agent answer .*)$/.exec(questions) ?? []
        assert.strictEqual(yield* typed(answer.replace("QUESTION", question)), "answered\n")
        yield* until((seen) => seen.length === 5, asked("messages", thread))
        const said = yield* typed(messages.replace("THREAD", thread))
        assert.match(said, /^5 +\S+ +Sent: Storm warning for Graz$/m)
      }),
    60_000
  )

  it.effect(
    "does what its guide shows: posts, asks, answers, shows, steps, forks, cancels, retries and edits",
    () =>
      Effect.gen(function* () {
        const [, thread = ""] =
          /^thread (\S+), message 1\n.+ tenon agent messages \1\n$/.exec(yield* agent(...shown("post"))) ?? []
        const [{ id: question }] = yield* until((seen) => seen.length === 1, asked("questions", "--thread", thread))
        assert.include(yield* agent(...shown("questions")), question)
        assert.strictEqual(yield* agent(...shown("answer", { QUESTION: question })), "answered\n")
        const [{ id: run }] = yield* until((seen) => seen[0]?.status === "DONE", asked("runs", "--thread", thread))
        const lines = (yield* agent(...shown("messages", { THREAD: thread }))).trim().split("\n")
        assert.deepStrictEqual(
          lines.map((line) => line.split(/ {2,}/).filter((_, column) => column !== 1)),
          [
            ["#", "WHAT"],
            ["1", "Graz"],
            ["2", "A storm is coming to Graz."],
            ["3", `? Send "Storm warning for Graz" to everyone?`, `(question ${question})`],
            ["4", `> {"send":true}`],
            ["5", "Sent: Storm warning for Graz"]
          ]
        )

        const steps = (yield* agent(...shown("steps", { RUN: run }))).trim().split("\n")
        assert.match(steps[0] ?? "", /^# +KIND +NAME +BEGAN +TOOK$/)
        for (const name of ["forecast", "alerts"])
          assert.isTrue(
            steps.some((line) =>
              new RegExp(`^\\d+ +step +${name} +\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z +\\d+ ms$`).test(line)
            ),
            steps.join("\n")
          )

        const waiting = yield* asking("Linz")
        assert.strictEqual(yield* agent(...shown("cancel", { RUN: waiting.run })), "asked to stop\n")
        yield* stands("CANCELLED", waiting.run, waiting.thread)
        const [, again = ""] = /^goes on as (\S+)\n$/.exec(yield* agent(...shown("retry", { RUN: waiting.run }))) ?? []
        yield* stands("WAITING", again, waiting.thread)
        const [, forked = ""] = /^goes on as (\S+)\n$/.exec(yield* agent(...shown("fork", { RUN: run }))) ?? []
        yield* stands("WAITING", forked, thread)
        const taken = (yield* asked("steps", forked)).filter((each: { readonly kind: string }) => each.kind !== "fork")
        const source = yield* asked("steps", run)
        assert.deepStrictEqual(taken.slice(0, 3), source.slice(0, 3), "with their times")
        assert.notStrictEqual(taken[3].startedAt, source[3].startedAt)
        const [, edited = ""] = /^answered by (\S+)\n$/.exec(yield* agent(...shown("edit", { RUN: run }))) ?? []
        // The fork waits in the same thread.
        yield* stands("QUEUED", edited, thread)
        assert.match(yield* agent(...shown("runs")), /^ID +AGENT +STATUS +THREADID +CREATEDAT +PROBLEM\n$/)
        const used = block
          .split("\n")
          .map((line) => line.split(/\s+/)[3])
          .filter((verb) => verb !== undefined)
        assert.deepStrictEqual(used, [
          "post",
          "questions",
          "answer",
          "messages",
          "runs",
          "steps",
          "cancel",
          "retry",
          "fork",
          "edit"
        ])
      }),
    60_000
  )

  it.effect("says where to see what becomes of a message, as for an agent that there is none of", () =>
    Effect.gen(function* () {
      const posted = yield* agent("post", "--agent", "wether", "Graz")
      const [, thread = ""] = /tenon agent messages (\S+)$/m.exec(posted) ?? []
      yield* until((seen) => seen[0]?.status === "FAILED", asked("runs", "--thread", thread))
      assert.match(yield* agent("messages", thread), /! There is no agent named "wether"\.$/m)
    })
  )

  it.effect(
    "says the same as one JSON value",
    () =>
      Effect.gen(function* () {
        const { question, run, thread } = yield* asking("Wels")
        const second = yield* asked("post", "--thread", thread, "--as", "grace", "Steyr")
        assert.deepInclude(second, { threadId: thread, content: { type: "text", text: "Steyr" } })
        const [queued] = yield* asked("runs", "--thread", thread, "--status", "QUEUED")
        assert.deepInclude(queued, { agent: "weather", status: "QUEUED" })
        assert.lengthOf(yield* asked("runs", "--thread", thread), 2)
        assert.lengthOf(yield* asked("runs", "--thread", thread, "--limit", "1"), 1)
        assert.deepInclude(yield* asked("show", run), { id: run, threadId: thread, status: "WAITING" })
        assert.match(yield* agent("show", run), new RegExp(`^FIELD +VALUE\nid +${run}$`, "m"))

        assert.deepStrictEqual(yield* asked("resume", run), { run })
        assert.strictEqual(yield* agent("resume", run), "asked to go on\n")
        assert.strictEqual(yield* statusOf(run), "WAITING")
        assert.deepStrictEqual(yield* asked("answer", question, `{"send":false}`), { answered: question })
        yield* stands("DONE", run, thread)
        const steps: ReadonlyArray<{ readonly [field: string]: unknown }> = yield* asked("steps", run)
        const [forecast] = steps.filter(({ name }) => name === "forecast")
        assert.deepInclude(forecast, { kind: "step", failed: false })
        for (const { endedAt, startedAt } of steps)
          assert.isAtMost(Date.parse(String(startedAt)), Date.parse(String(endedAt)))

        const next = String(queued.id)
        yield* stands("WAITING", next, thread)
        assert.deepStrictEqual(yield* asked("cancel", next), { run: next })
        yield* stands("CANCELLED", next, thread)
        const retried = yield* asked("retry", next)
        assert.strictEqual(retried.run, next)
        yield* stands("WAITING", retried.runId, thread)
        const { runId } = yield* asked("fork", run, "--operations", "1")
        assert.notInclude([run, next, retried.runId], runId)
      }),
    60_000
  )

  it.effect(
    "keeps a run, and tells whether a program would go on with it",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* Served
        const { run } = yield* asking("Enns")
        const recording = yield* agent("record", run, "--tenant", "acme")
        const [kept, other, broken] = ["run.json", "other.json", "broken.json"].map((name) =>
          join(directory, name)
        ) as [string, string, string]
        writeFileSync(kept, recording)
        writeFileSync(other, recording.replace(`"forecast"`, `"foretell"`))
        writeFileSync(broken, "{}")
        assert.match(yield* agent("replay", kept), /run\.json: the same, \d+ operations\n$/)
        assert.deepInclude((yield* asked("replay", kept))[0], { file: kept, _tag: "Same" })
        const differs = yield* tenon(["agent", "replay", kept, other])
        assert.strictEqual(differs.code, 1)
        assert.match(differs.stdout, /other\.json: differs at operation \d+: .*foretell.* was recorded, .*forecast/)
        assert.include(differs.stderr, "1 of 2 recorded runs would not go on with this program.")
        assert.match(yield* refusal("replay", broken), /^1 .*broken\.json holds no recording of a run/)
        assert.match(yield* refusal("record", "nobody", "--tenant", "acme"), /^1 There is no AgentRun/)
        assert.match(yield* refusal("record", run, "--tenant", "globex"), /^1 There is no AgentRun/)
        assert.match(yield* refusal("record", run), /^1 .*tenant/s)
      }),
    60_000
  )

  it.effect(
    "refuses with one sentence and the exit code 1",
    () =>
      Effect.gen(function* () {
        const { question, run, thread } = yield* asking("Lambach")
        assert.match(yield* refusal("answer", question, `{"send":"maybe"}`), /^1 The answer does not fit\. .*send/)
        assert.match(yield* refusal("answer", question, "{"), /^1 .*answer/s)
        assert.match(yield* refusal("fork", run, "--operations", "1"), /^1 The run .* goes on: WAITING\. Cancel it/)
        assert.match(yield* refusal("retry", run), /^1 The run .* goes on: WAITING\. Cancel it first/)
        yield* agent("answer", question, `{"send":true}`)
        assert.match(yield* refusal("answer", question, `{"send":true}`), /^1 The question .* was answered by/)
        yield* stands("DONE", run, thread)
        for (const verb of ["cancel", "resume"])
          assert.match(yield* refusal(verb, run), /^1 The run .* is over: DONE\.$/, verb)
        assert.match(yield* refusal("retry", run), /^1 The run .* has done its work\. Fork it/)
        assert.match(yield* refusal("fork", run, "--operations", "-1"), /^1 .*operations/s)
        for (const verb of ["show", "steps", "cancel", "resume", "retry"])
          assert.match(yield* refusal(verb, "nobody"), /^1 There is no AgentRun/, verb)
        assert.match(yield* refusal("answer", "nobody", "true"), /^1 There is no Question/)
        assert.match(yield* refusal("messages", "nobody"), /^1 There is no Thread/)
        assert.match(yield* refusal("post", "--thread", "nobody", "Graz"), /^1 There is no Thread/)
        assert.match(yield* refusal("runs", "--status", "ASLEEP"), /^1 .*ASLEEP/s)
        assert.match(yield* refusal("runs", "--limit", "0"), /^1 .*limit/)
      }),
    60_000
  )

  it.effect(
    "says who is not let in, what does not answer, and what is no API",
    () =>
      Effect.gen(function* () {
        const { env } = yield* Served
        const denied = yield* TenonProcess.tenon(["--config", config, "agent", "runs", "--json"], {
          ...env,
          TENON_API_KEY: "wrong"
        })
        assert.strictEqual(denied.code, 1)
        assert.strictEqual(denied.stdout, "")
        assert.notMatch(denied.stderr, / {4}at |wrong/)
        const nowhere = yield* tenon(["agent", "runs"], { TENON_URL: "http://127.0.0.1:1" })
        assert.strictEqual(nowhere.code, 1)
        assert.match(nowhere.stderr, /^The API does not answer: .*Is `tenon dev` running\?$/m)
        const page = createServer((_, response) => response.end("<html>"))
        yield* Effect.promise(() => new Promise<void>((listening) => page.listen(0, "127.0.0.1", listening)))
        const { port } = page.address() as AddressInfo
        const other = yield* tenon(["agent", "runs"], { TENON_URL: `http://127.0.0.1:${port}` })
        page.close()
        assert.strictEqual(other.code, 1)
        assert.match(other.stderr, /^What answered \(200\) is not the API of an application\. Is TENON_URL right\?$/m)
        assert.match((yield* tenon(["agent", "runs"], { TENON_URL: "no url" })).stderr, /^TENON_URL is no URL\.$/m)
      }),
    60_000
  )
})
