/** The agents' own tests. They know nothing of what they run on: the layer is their only argument. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { AgentRun, isOver, RunAgent } from "@tenon/agents/AgentRun"
import { Artifact } from "@tenon/agents/Artifact"
import * as Content from "@tenon/agents/Content"
import { Question } from "@tenon/agents/Question"
import { CurrentActor } from "@tenon/core/Actor"
import { Interpreter } from "@tenon/core/Interpreter"
import type * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import { RunJournal } from "@tenon/core/RunJournal"
import * as RunReplay from "@tenon/core/RunReplay"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { Payment, refund } from "@tenon/examples/agents/Refund"
import * as Research from "@tenon/examples/agents/Research"
import * as Weather from "@tenon/examples/agents/Weather"
import { actor } from "@tenon/testing/Testing"
import type * as Testing from "@tenon/testing/Testing"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { conversation, eventually, registry } from "./agentDomain.ts"
import * as Rerun from "./rerunSuite.ts"
import * as Retry from "./retrySuite.ts"

/** What the agents run on. */
export type Infrastructure = (
  domain: Registry.Registry,
  options: Testing.Options
) => Layer.Layer<Interpreter | Repository.Repository | CurrentActor | RunJournal | Workflow.Workflows>

const slow = Agent.make("slow", (ctx) =>
  Effect.gen(function* () {
    yield* ctx.step("work", Effect.sleep("1 hour"))
    yield* ctx.writeMessage("done")
  })
)
class NoLuck extends Schema.TaggedError<NoLuck>()("NoLuck", {}) {
  override get message() {
    return "no luck"
  }
}
const broken = Agent.make("broken", (ctx) => ctx.step("fail", Effect.fail(new NoLuck()), { failure: NoLuck }))
/** How often each step was done, and whether the last one fails. */
const done = new Map<string, number>()
let luck = false
const count = (name: string) =>
  Effect.suspend(() => {
    done.set(name, (done.get(name) ?? 0) + 1)
    return name === "last" && !luck ? Effect.fail(new NoLuck()) : Effect.succeed(name)
  })
const delegating = Agent.make("delegating", (ctx) => Effect.asVoid(ctx.child(Weather.weather, undefined)))
const careful = Agent.make("careful", (ctx) =>
  Effect.gen(function* () {
    const step = (name: string) => ctx.step(name, count(name), { failure: NoLuck })
    yield* step("first")
    yield* ctx.writeMessage("begun")
    const slowly = Effect.andThen(ctx.sleep("20 millis"), step("slow"))
    yield* Effect.all([slowly, step("quick")], { concurrency: "unbounded" })
    const { sure } = yield* ctx.ask("Sure?", Schema.Struct({ sure: Schema.Boolean }))
    yield* step("last")
    yield* ctx.writeMessage(`sure: ${sure}`)
  })
)
/** Ids that it draws before a step, after it, and after one that takes luck; and a step whose name is drawn. */
const drawing = Agent.make("drawing", (ctx) =>
  Effect.gen(function* () {
    const first = yield* ctx.newId
    yield* ctx.step(`first ${yield* ctx.random}`, Effect.void)
    yield* ctx.step(`second ${yield* ctx.random} ${yield* ctx.now}`, Effect.void)
    const last = yield* ctx.newId
    yield* ctx.step("last", count("last"), { failure: NoLuck })
    yield* ctx.writeMessage(`${first} ${last}`)
  })
)
/**
 * Asks three times: once with no time to answer, once for as long as it takes, once with time that runs from then on.
 */
const punctual = Agent.make("punctual", (ctx) =>
  Effect.gen(function* () {
    const began = yield* ctx.now
    const never = yield* Effect.exit(ctx.ask("Never?", Schema.Boolean, { expires: 0 }))
    const soon = yield* Effect.exit(ctx.ask("Soon?", Schema.Boolean, { expires: "100 millis" }))
    yield* ctx.ask("Some time?", Schema.Boolean)
    const later = yield* ctx.now
    yield* ctx.step(`${later} ${yield* ctx.newId}`, Effect.void)
    const known = yield* ctx.ask("Now?", Schema.Boolean, { expires: "1 second" })
    yield* ctx.step("last", count("last"), { failure: NoLuck })
    const waited = later.epochMilliseconds - began.epochMilliseconds
    yield* ctx.writeMessage(`${never._tag} ${soon._tag} ${waited >= 1000} ${known}`)
  })
)
const scribe = Agent.make("scribe", (ctx) =>
  Effect.gen(function* () {
    const before = yield* ctx.recall("times")
    const times = typeof before === "number" ? before + 1 : 1
    yield* ctx.remember("times", times)
    yield* ctx.keepArtifact("report", { mediaType: "text/plain", content: `run ${times} äöü` })
    yield* ctx.keepArtifact("bytes", { mediaType: "application/octet-stream", content: Uint8Array.of(0, 1, 255) })
  })
)
const stranger = Agent.make("stranger", (ctx) =>
  Effect.gen(function* () {
    yield* ctx.writeMessage(`times: ${String(yield* ctx.recall("times"))}`)
    yield* ctx.remember("times", 100)
  })
)
const echo = Agent.make("echo", (ctx) =>
  Effect.gen(function* () {
    const last = (yield* ctx.history).findLast(({ content }) => content.type === "text")
    yield* ctx.writeMessage(`echo ${last?.content.type === "text" ? last.content.text : ""}`)
  })
)

const reader = Agent.make("reader", (ctx) =>
  Effect.gen(function* () {
    const texts = (yield* ctx.history).flatMap(({ content }) => (content.type === "text" ? [content.text] : []))
    if (texts.at(-1) === "ask") yield* ctx.ask("Well?", Schema.Boolean)
    yield* ctx.writeMessage(`read ${texts.join(", ")}`)
  })
)
const whose = Agent.make("whose", (ctx) =>
  Effect.gen(function* () {
    const last = (yield* ctx.history).findLast(({ content }) => content.type === "text")?.content
    if (last?.type === "text" && last.text === "ask") yield* ctx.ask("Well?", Schema.Boolean)
    yield* ctx.writeMessage(`for ${ctx.actor.id}, ${ctx.actor.roles.join()}`)
  })
)
/** By run, what each attempt of its steps was told to identify the step by. */
const keys = new Map<string, Array<string>>()
const keyed = Agent.make("keyed", (ctx) => {
  const mine = keys.get(ctx.run) ?? []
  keys.set(ctx.run, mine)
  const pay = Effect.flatMap(ctx.idempotencyKey, (key) => {
    mine.push(key)
    // A bug in the first attempt has the body tried again.
    return mine.length === 1 ? Effect.die(new Error("the connection broke off")) : Effect.succeed(key)
  })
  return Effect.gen(function* () {
    yield* ctx.step("pay", pay)
    yield* ctx.sleep("10 millis")
    yield* ctx.step("pay", pay)
    yield* ctx.step("charge", pay)
  })
})

const workflows = Workflow.layer(
  Agents.implement(
    Weather.weather,
    refund,
    Research.research,
    Research.researcher,
    slow,
    broken,
    echo,
    careful,
    delegating,
    drawing,
    punctual,
    scribe,
    stranger,
    keyed,
    reader,
    whose,
    ...Rerun.agents,
    ...Retry.agents
  )
).pipe(Layer.provide([Weather.layerFixed, Research.layerFixed]))

/** Declares the tests for an infrastructure. */
export const agents = (name: string, infrastructure: Infrastructure) => {
  describe(`agents ${name}`, () => {
    suite(infrastructure(registry, { workflows }), { timeout: 60_000, excludeTestServices: true })((it) => {
      Rerun.rerun(it)
      Retry.retry(it)

      it.effect("the weather agent looks up, asks, and goes on with the answer", () =>
        Effect.gen(function* () {
          const { post, question, runs, said } = yield* conversation("weather")
          yield* post("1", "Graz")
          const asked = yield* question
          assert.strictEqual((yield* runs)[0]?.status, "WAITING")
          const wrong = yield* Effect.flip(Tenon.invoke(Question.actions.answer, asked.id, { answer: { send: "yes" } }))
          assert.strictEqual(wrong._tag, "AnswerInvalid")
          yield* Tenon.invoke(Question.actions.answer, asked.id, { answer: { send: true } })
          const again = yield* Effect.flip(Tenon.invoke(Question.actions.answer, asked.id, { answer: { send: false } }))
          assert.strictEqual(again._tag, "AlreadyAnswered")
          yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
          assert.deepStrictEqual(yield* said, [
            "Graz",
            "A storm is coming to Graz.",
            "question",
            "answer",
            "Sent: Storm warning for Graz"
          ])
        })
      )

      it.effect("the refund agent calls a durable action once a person agrees", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          const payment = yield* Tenon.invoke(Payment.actions.create, { cents: 4200 })
          const { post, question, runs, said } = yield* conversation("refund")
          yield* post("1", payment.id)
          yield* Tenon.invoke(Question.actions.answer, (yield* question).id, { answer: { approve: true } })
          yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
          assert.strictEqual((yield* repository.get(Payment, payment.id)).status, "REFUNDED")
          assert.strictEqual((yield* said).at(-1), "Refunded 42.00.")
        })
      )

      it.effect("the weather agent sends nothing where a person says no, and keeps who said so and when", () =>
        Effect.gen(function* () {
          const { messages, post, question, questions, runs, said } = yield* conversation("weather")
          yield* post("1", "Graz")
          const asked = yield* question
          const { content } = (yield* messages).find((each) => each.content.type === "question") ?? {}
          if (content?.type !== "question") return assert.fail("no question in the thread")
          assert.strictEqual(content.questionId, asked.id)
          assert.deepStrictEqual(content.schema, asked.schema)
          assert.deepInclude(content.schema as object, {
            type: "object",
            properties: { send: { type: "boolean" } },
            required: ["send"]
          })
          const answers = yield* Effect.all(
            ["ada", "bob"].map((id) =>
              Tenon.invoke(Question.actions.answer, asked.id, { answer: { send: false } }).pipe(
                Effect.match({ onSuccess: () => id, onFailure: (refused) => refused }),
                Effect.provideService(CurrentActor, actor({ id }))
              )
            ),
            { concurrency: "unbounded" }
          )
          yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
          const [settled] = yield* questions
          const winner = settled?.answeredBy
          assert.include(["ada", "bob"], winner)
          // The other one is told who was first.
          assert.deepStrictEqual(
            answers.map((each) =>
              typeof each === "string" ? each : each._tag === "AlreadyAnswered" ? [each.answeredBy] : each._tag
            ),
            ["ada", "bob"].map((id) => (id === winner ? id : [winner]))
          )
          assert.isAtLeast(settled?.answeredAt?.epochMilliseconds ?? 0, asked.createdAt.epochMilliseconds)
          assert.strictEqual((yield* said).at(-1), "Nothing was sent.")
          assert.strictEqual((yield* said).filter((words) => words === "answer").length, 1)
        })
      )

      it.effect("the refund agent gives nothing back where a person refuses, nor twice", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          const payment = yield* Tenon.invoke(Payment.actions.create, { cents: 4200 })
          const refused = yield* conversation("refund")
          yield* refused.post("1", payment.id)
          yield* Tenon.invoke(Question.actions.answer, (yield* refused.question).id, {
            answer: { approve: false, note: "It was worn." }
          })
          yield* eventually(refused.runs, (rows) => rows[0]?.status === "DONE")
          assert.strictEqual((yield* refused.said).at(-1), "Not refunded. It was worn.")
          assert.strictEqual((yield* repository.get(Payment, payment.id)).status, "PAID")
          yield* Tenon.invoke(Payment.actions.refund, payment.id)
          const again = yield* conversation("refund")
          yield* again.post("1", payment.id)
          yield* Tenon.invoke(Question.actions.answer, (yield* again.question).id, { answer: { approve: true } })
          yield* eventually(again.runs, (rows) => rows[0]?.status === "FAILED")
          assert.strictEqual((yield* again.said).at(-1), `! The payment ${payment.id} has been refunded before.`)
        })
      )

      it.effect("the research agent runs three others at once", () =>
        Effect.gen(function* () {
          const { post, runs, said } = yield* conversation("research")
          yield* post("1", "bridges")
          yield* eventually(runs, (rows) => rows.length === 4 && rows.every(({ status }) => status === "DONE"))
          assert.strictEqual(
            (yield* said).at(-1),
            Research.topics.map((topic) => `${topic}: What is known of ${topic}.`).join("\n")
          )
        })
      )

      it.effect("a failing agent leaves a message and frees the thread", () =>
        Effect.gen(function* () {
          const { post, runs, said } = yield* conversation("broken")
          yield* post("1")
          yield* post("2")
          yield* eventually(runs, (rows) => rows.length === 2 && rows.every(({ status }) => status === "FAILED"))
          assert.strictEqual((yield* said).filter((words) => words === "! no luck").length, 2)
        })
      )

      it.effect("a run that failed is run again from where it failed, or from an operation of one's choice", () =>
        Effect.gen(function* () {
          done.clear()
          luck = false
          const { post, question, runs, said } = yield* conversation("careful")
          yield* post("1")
          yield* Tenon.invoke(Question.actions.answer, (yield* question).id, { answer: { sure: true } })
          const [failed] = yield* eventually(runs, (rows) => rows[0]?.status === "FAILED")
          luck = true
          const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, failed?.id ?? "")
          yield* eventually(runs, (rows) => rows.find(({ id }) => id === runId)?.status === "DONE")
          assert.deepStrictEqual(Object.fromEntries(done), { first: 1, slow: 1, quick: 1, last: 2 })
          assert.deepStrictEqual(yield* said, ["1", "begun", "question", "answer", "! no luck", "sure: true"])
          // The stop that every run waits for, the first step and the first message.
          const forked = yield* Tenon.invoke(AgentRun.actions.fork, runId, { operations: 2 })
          yield* Tenon.invoke(Question.actions.answer, (yield* question).id, { answer: { sure: false } })
          yield* eventually(runs, (rows) => rows.find(({ id }) => id === forked.runId)?.status === "DONE")
          assert.deepStrictEqual(Object.fromEntries(done), { first: 1, slow: 2, quick: 2, last: 3 })
          assert.deepStrictEqual((yield* said).slice(6), ["question", "answer", "sure: false"])
        })
      )

      it.effect("what a run has drawn stays so where it is run again, and what comes after is drawn anew", () =>
        Effect.gen(function* () {
          luck = false
          const { post, runs, said } = yield* conversation("drawing")
          yield* post("1")
          const [failed] = yield* eventually(runs, (rows) => rows[0]?.status === "FAILED")
          luck = true
          const ended = Effect.fnUntraced(function* (runId: string) {
            yield* eventually(runs, (rows) => rows.find(({ id }) => id === runId)?.status === "DONE")
            return ((yield* said).at(-1) ?? "").split(" ")
          })
          const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, failed?.id ?? "")
          const [first, last] = yield* ended(runId)
          const forked = []
          // The stop that every run waits for is never handed out: the first step, and the second, with what is
          // between.
          for (const operations of [0, 1, 2, 3]) {
            const fork = yield* Tenon.invoke(AgentRun.actions.fork, runId, { operations })
            forked.push(yield* ended(fork.runId))
          }
          assert.deepStrictEqual(
            forked.map((each) => each[0] === first),
            [false, true, true, true]
          )
          assert.strictEqual(new Set([last, ...forked.map((each) => each[1])]).size, 5)
          // A fork of a fork begins as the first of them did.
          const all = yield* runs
          const again = yield* Tenon.invoke(AgentRun.actions.fork, all.at(-1)?.id ?? "", { operations: 2 })
          assert.strictEqual((yield* ended(again.runId))[0], first)
        })
      )

      it.effect("time passes while a run asks, and has passed as much where it is run again", () =>
        Effect.gen(function* () {
          luck = false
          const { post, question, questions, runs, said, thread } = yield* conversation("punctual")
          const answer = Effect.fnUntraced(function* (prompt: string) {
            yield* eventually(questions, (rows) => rows.some((row) => row.status === "OPEN" && row.prompt === prompt))
            return yield* Effect.flatMap(question, ({ id }) =>
              Tenon.invoke(Question.actions.answer, id, { answer: true })
            )
          })
          yield* post("1")
          yield* Effect.sleep("1200 millis")
          yield* answer("Some time?")
          yield* answer("Now?")
          const [failed] = yield* eventually(runs, (rows) => rows[0]?.status === "FAILED")
          assert.strictEqual((yield* said).at(-1), "! no luck")
          luck = true
          const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, failed?.id ?? "")
          yield* eventually(runs, (rows) => rows.find(({ id }) => id === runId)?.status === "DONE")
          assert.strictEqual((yield* said).at(-1), "Failure Failure true true")
          const implementation = (yield* Workflow.Workflows).get(RunAgent.name)
          if (implementation === undefined) return assert.fail("no program")
          const input = { threadId: thread.id, agent: "punctual" }
          for (const { id } of yield* runs) {
            const key = { tenantId: actor().tenantId, workflow: RunAgent.name, key: id }
            const journal = yield* RunJournal
            yield* eventually(journal.standing(key), (standing) => standing?.status === "done")
            const recording = yield* RunReplay.record(key, input)
            if (recording === undefined) return assert.fail("no recording")
            assert.strictEqual((yield* RunReplay.check(implementation, recording))._tag, "Same")
          }
        })
      )

      it.effect("only a run that is over is run again, and one that is done only by a fork", () =>
        Effect.gen(function* () {
          const { post, question, runs } = yield* conversation("weather")
          yield* post("1", "Graz")
          yield* post("2", "Linz")
          const asked = yield* question
          const before = yield* runs
          assert.deepStrictEqual(
            before.map(({ status }) => status),
            ["WAITING", "QUEUED"]
          )
          for (const { id, status } of before)
            for (const refused of [
              yield* Effect.flip(Tenon.invoke(AgentRun.actions.retry, id)),
              yield* Effect.flip(Tenon.invoke(AgentRun.actions.fork, id, { operations: 1 }))
            ]) {
              assert.strictEqual(refused._tag, "RunGoesOn")
              assert.strictEqual(
                refused.message,
                `The run ${id} goes on: ${status}. Cancel it first, or wait for its end.`
              )
            }
          yield* Tenon.invoke(AgentRun.actions.cancel, before[1]?.id ?? "")
          yield* Tenon.invoke(Question.actions.answer, asked.id, { answer: { send: false } })
          const [done] = yield* eventually(
            runs,
            (rows) => rows[0]?.status === "DONE" && rows[1]?.status === "CANCELLED"
          )
          const refused = yield* Effect.flip(Tenon.invoke(AgentRun.actions.retry, done?.id ?? ""))
          assert.strictEqual(refused._tag, "RunDone")
          assert.strictEqual((yield* runs).length, 2)
          const { runId } = yield* Tenon.invoke(AgentRun.actions.fork, done?.id ?? "", { operations: 0 })
          yield* eventually(runs, (rows) => rows.find(({ id }) => id === runId)?.status === "WAITING")
          yield* Tenon.invoke(AgentRun.actions.cancel, runId)
        })
      )

      it.effect("an agent remembers from run to run, and keeps what it makes", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          const one = yield* conversation("scribe")
          yield* one.post("1")
          yield* eventually(one.runs, (rows) => rows[0]?.status === "DONE")
          const another = yield* conversation("stranger")
          yield* another.post("1")
          yield* eventually(another.runs, (rows) => rows[0]?.status === "DONE")
          const other = yield* conversation("scribe")
          yield* other.post("1")
          const [run] = yield* eventually(other.runs, (rows) => rows[0]?.status === "DONE")
          const filters = [{ field: "runId", operator: "eq" as const, value: run?.id ?? "" }]
          const { items } = yield* repository.list(Artifact, { filters, sort: "name" })
          assert.deepStrictEqual(
            items.map(({ content, encoding, name, sha256, size }) => [name, encoding, content, size, sha256]),
            [
              ["bytes", "base64", "AAH/", 3, "26a66b061e8f48f39927c312f25293959729eee95978e2892d49d3512a5cc092"],
              ["report", "text", "run 2 äöü", 12, "7d97b99a4f463f0281db0e44476f995dbdb248d491dbe7bbe99334d2f4a99cc4"]
            ]
          )
          // What it keeps is its own.
          assert.deepStrictEqual(yield* another.said, ["1", "times: undefined"])
        })
      )

      it.effect("a run that was cancelled over a question asks it anew when it is run again", () =>
        Effect.gen(function* () {
          const { post, question, runs, said } = yield* conversation("weather")
          yield* post("1", "Graz")
          const asked = yield* question
          yield* Tenon.invoke(AgentRun.actions.cancel, asked.runId)
          yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, asked.runId)
          yield* eventually(runs, (rows) => rows.find(({ id }) => id === runId)?.status === "WAITING")
          const anew = yield* question
          assert.strictEqual(anew.runId, runId)
          yield* Tenon.invoke(Question.actions.answer, anew.id, { answer: { send: false } })
          yield* eventually(runs, (rows) => rows.find(({ id }) => id === runId)?.status === "DONE")
          assert.strictEqual((yield* said).filter((words) => words === "A storm is coming to Graz.").length, 1)
        })
      )

      it.effect("a run that was cancelled over a child starts it anew when it is run again", () =>
        Effect.gen(function* () {
          const { post, question, runs } = yield* conversation("delegating")
          yield* post("1")
          const parent = (yield* question).runId.replace(/\.child1$/, "")
          yield* Tenon.invoke(AgentRun.actions.cancel, parent)
          yield* eventually(runs, (rows) => rows.length === 2 && rows.every(({ status }) => status === "CANCELLED"))
          const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, parent)
          yield* eventually(runs, (rows) =>
            rows.some(({ id, status }) => id === `${runId}.child1` && status === "WAITING")
          )
          const all = yield* runs
          assert.strictEqual(all.length, 4)
          yield* Tenon.invoke(AgentRun.actions.cancel, runId)
        })
      )

      it.effect("a step is known by one key in all attempts, and by another than every other step and run", () =>
        Effect.gen(function* () {
          const { post, runs } = yield* conversation("keyed")
          yield* post("1")
          yield* post("2")
          const rows = yield* eventually(runs, (rows) => rows.length === 2 && rows[1]?.status === "DONE")
          const [one = [], other = []] = rows.map(({ id }) => keys.get(id))
          assert.lengthOf(one, 4)
          assert.strictEqual(one[0], one[1])
          assert.strictEqual(new Set([...one, ...other]).size, 6)
          for (const key of one) assert.match(key, /^[0-9a-f]{64}$/)
        })
      )

      it.effect("a message is edited and answered anew, as if the first one had never been posted", () =>
        Effect.gen(function* () {
          const { messages, post, question, runs, said } = yield* conversation("reader")
          const over = (count: number) =>
            eventually(runs, (rows) => rows.length === count && rows.every(({ status }) => status === "DONE"))
          yield* post("1", "a")
          yield* over(1)
          yield* post("2", "ask")
          const asked = yield* question
          const change = (run: string, words: string) =>
            Tenon.invoke(AgentRun.actions.edit, run, { content: Content.text(words) })
          assert.strictEqual((yield* Effect.flip(change(asked.runId, "too soon")))._tag, "RunGoesOn")
          yield* Tenon.invoke(Question.actions.answer, asked.id, { answer: true })
          yield* over(2)
          const { runId } = yield* change(asked.runId, "b")
          const [, , edited] = yield* over(3)
          assert.strictEqual(edited?.id, runId)
          yield* change(runId, "c")
          yield* over(4)
          // People still see all of it.
          assert.deepStrictEqual(yield* said, [
            "a",
            "read a",
            "ask",
            "question",
            "answer",
            "read a, read a, ask",
            "b",
            "read a, read a, b",
            "c",
            "read a, read a, c"
          ])
          const [first, , second] = (yield* messages).filter(({ content }) => content.type === "text").slice(2)
          assert.deepStrictEqual(second?.replaces, { message: first?.id, run: asked.runId })
          assert.strictEqual(second?.participantId, first?.participantId)
        })
      )

      it.effect("only a run that answers a message is answered anew with another one", () =>
        Effect.gen(function* () {
          const { post, question, runs } = yield* conversation("delegating")
          yield* post("1")
          const { runId } = yield* question
          yield* Tenon.invoke(AgentRun.actions.cancel, runId.replace(/\.child1$/, ""))
          yield* eventually(runs, (rows) => rows.length === 2 && rows.every(({ status }) => status === "CANCELLED"))
          const refused = yield* Effect.flip(
            Tenon.invoke(AgentRun.actions.edit, runId, { content: Content.text("Linz") })
          )
          assert.strictEqual(refused._tag, "NothingToEdit")
        })
      )

      it.effect("an agent that does not exist is told in the thread", () =>
        Effect.gen(function* () {
          const { post, runs, said } = yield* conversation("nobody")
          yield* post("1")
          yield* eventually(runs, (rows) => rows[0]?.status === "FAILED")
          assert.strictEqual((yield* said).at(-1), '! There is no agent named "nobody".')
        })
      )

      it.effect("a run that is cancelled stops in the middle of a step", () =>
        Effect.gen(function* () {
          const { post, runs, said } = yield* conversation("slow")
          yield* post("1")
          const [run] = yield* eventually(runs, (rows) => rows.length === 1)
          yield* Tenon.invoke(AgentRun.actions.cancel, run?.id ?? "")
          yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          const late = yield* Effect.flip(Tenon.invoke(AgentRun.actions.cancel, run?.id ?? ""))
          assert.strictEqual(late._tag, "RunOver")
          assert.deepStrictEqual(yield* said, ["1"])
        })
      )

      it.effect("messages queue: each has its run, one after the other", () =>
        Effect.gen(function* () {
          const { post, runs } = yield* conversation("echo")
          yield* Effect.forEach(["1", "2", "3", "4"], (key) => post(key), { concurrency: "unbounded" })
          yield* eventually(runs, (rows) => rows.length === 4 && rows.every(({ status }) => status === "DONE"))
        })
      )

      it.effect("a run that waited has the rights of whoever asked for it, whoever ends the one before", () =>
        Effect.gen(function* () {
          const as = (id: string, ...roles: ReadonlyArray<string>) =>
            Effect.provideService(CurrentActor, actor({ id, roles }))
          const { post, question, runs, said } = yield* conversation("whose")
          yield* as("ada", "admin")(post("1", "ask"))
          const { id } = yield* question
          yield* as("bob", "editor")(post("2"))
          yield* as("carol", "admin")(Tenon.invoke(Question.actions.answer, id, { answer: true }))
          yield* eventually(runs, (rows) => rows.every(({ status }) => status === "DONE"))
          yield* as("carol", "editor")(post("3", "ask"))
          yield* question
          yield* as("bob", "admin")(post("4"))
          const active = (yield* runs).find(({ status }) => status === "WAITING")
          yield* as("ada", "admin")(Tenon.invoke(AgentRun.actions.cancel, active?.id ?? ""))
          yield* eventually(runs, (rows) => rows.length === 4 && rows.every(({ status }) => isOver(status)))
          const spoken = (yield* said).filter((words) => words.startsWith("for"))
          assert.deepStrictEqual(spoken, ["for ada, admin", "for bob, editor", "for bob, admin"])
        })
      )

      it.effect("messages interrupt: the last one is answered", () =>
        Effect.gen(function* () {
          const { post, runs } = yield* conversation("slow", "interrupt")
          yield* post("1")
          yield* post("2")
          yield* post("3")
          const rows = yield* eventually(
            runs,
            (rows) => rows[0]?.status === "CANCELLED" && rows.at(-1)?.status === "RUNNING"
          )
          yield* Tenon.invoke(AgentRun.actions.cancel, rows.at(-1)?.id ?? "")
          yield* eventually(runs, (rows) => rows.every(({ status }) => status === "CANCELLED"))
        })
      )

      it.effect("messages are refused: while a run is active, nothing is saved", () =>
        Effect.gen(function* () {
          const { post, runs, said } = yield* conversation("slow", "reject")
          yield* post("1")
          assert.strictEqual((yield* Effect.flip(post("2")))._tag, "ThreadBusy")
          assert.deepStrictEqual(yield* said, ["1"])
          yield* Tenon.invoke(AgentRun.actions.cancel, (yield* runs)[0]?.id ?? "")
          yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          yield* post("2")
          yield* Tenon.invoke(AgentRun.actions.cancel, (yield* runs)[1]?.id ?? "")
        })
      )

      it.effect("messages coalesce: one run answers all that came meanwhile", () =>
        Effect.gen(function* () {
          const { post, runs } = yield* conversation("slow", "coalesce")
          yield* Effect.forEach(["1", "2", "3", "4"], (key) => post(key))
          assert.deepStrictEqual(
            (yield* runs).map(({ status }) => status),
            ["RUNNING", "QUEUED"]
          )
          for (const run of (yield* runs).toReversed()) yield* Tenon.invoke(AgentRun.actions.cancel, run.id)
          yield* eventually(runs, (rows) => rows.every(({ status }) => status === "CANCELLED"))
        })
      )

      it.effect("a message with the key and content of another is that one; with other content it is refused", () =>
        Effect.gen(function* () {
          const { post, runs } = yield* conversation("echo")
          const first = yield* post("1", "a")
          assert.deepStrictEqual(yield* post("1", "a"), first)
          assert.strictEqual((yield* Effect.flip(post("1", "b")))._tag, "MessageKeyReused")
          yield* eventually(runs, (rows) => rows.length === 1 && rows[0]?.status === "DONE")
        })
      )

      it.effect("content that is too large is refused", () =>
        Effect.gen(function* () {
          const { thread } = yield* conversation("echo")
          const interpreter = yield* Interpreter
          const content = Content.text("x".repeat(Content.maxText + 1))
          const refused = yield* Effect.flip(
            interpreter.perform({
              resource: "Thread",
              action: "addMessage",
              key: thread.id,
              input: { idempotencyKey: "1", participantId: "x", content }
            })
          )
          assert.strictEqual(refused._tag, "InvalidInput")
        })
      )
    })
  })
}
