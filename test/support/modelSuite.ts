/** The tests of language models in runs. They know nothing of what they run on: the layer is their only argument. */
import * as ActionTool from "@tenon/agents/ActionTool"
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { AgentRun } from "@tenon/agents/AgentRun"
import * as Conversation from "@tenon/agents/Conversation"
import { budgetKey, ModelBudget } from "@tenon/agents/ModelBudget"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import * as ModelSettings from "@tenon/agents/ModelSettings"
import { ModelUsage } from "@tenon/agents/ModelUsage"
import { Question } from "@tenon/agents/Question"
import { CurrentActor } from "@tenon/core/Actor"
import * as Field from "@tenon/core/Field"
import * as Policy from "@tenon/core/Policy"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import { type RunEvent, type RunEvents, watch } from "@tenon/core/RunEvents"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as Assistant from "@tenon/examples/agents/Assistant"
import { Widget } from "@tenon/examples/widget/Widget"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { conversation, eventually } from "./agentDomain.ts"
import type { Infrastructure } from "./agentSuite.ts"

/** A row with something that no model may see, and an action that only some may call. */
const Vault = Resource.make("Vault", {
  fields: {
    id: Field.Id,
    label: Schema.NonEmptyString,
    code: Schema.String.pipe(Field.sensitive)
  },
  actions: (on) => ({
    create: on.create({ input: { label: Schema.NonEmptyString, code: Schema.String } }),
    open: on.update({ policy: Policy.roles("guard") }, ({ self }) => self)
  })
})

export const registry = Registry.make({
  resources: [...Agents.resources, Widget, Vault],
  workflows: [...Agents.workflows]
})

const Dice = Tool.make("roll", { description: "Rolls a die.", success: Schema.Int })
const Sides = Tool.make("rollOf", {
  parameters: Schema.Struct({ sides: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 100 })) }),
  success: Schema.Int
})
const DiceTools = Toolkit.make(Dice, Sides)
let rolled = 0
/** Whether a model that may be ill is. */
let isIll = true
const dice = DiceTools.toLayer({
  roll: () => Effect.sync(() => ++rolled),
  rollOf: ({ sides }) => (sides === 13 ? Effect.die("no such die") : Effect.sync(() => (++rolled, sides)))
})

const talker = Agent.make("talker", (ctx) =>
  Effect.gen(function* () {
    const { text } = yield* Conversation.run({
      prompt: Conversation.fromHistory(yield* ctx.history),
      toolkit: DiceTools,
      maxRounds: 5
    })
    yield* ctx.writeMessage(text)
  })
)

/** Uses `effect/ai` as it is, without `Conversation`. */
const plain = Agent.make("plain", (ctx) =>
  Effect.gen(function* () {
    const first = yield* LanguageModel.generateText({ prompt: "plain roll", toolkit: DiceTools })
    const { value } = yield* LanguageModel.generateObject({
      prompt: "plain object",
      schema: Schema.Struct({ when: Schema.DateTimeUtcFromString })
    })
    yield* ctx.writeMessage(
      `${first.toolResults.map(({ isFailure }) => (isFailure ? "failed" : "rolled")).join()} ${value.when.toString()}`
    )
  })
)

const keeper = Agent.make("keeper", (ctx) =>
  Effect.gen(function* () {
    const toolkit = ActionTool.toolkit(ActionTool.make(Vault.actions.create), ActionTool.make(Vault.actions.open))
    const { text } = yield* Conversation.run({ prompt: Conversation.fromHistory(yield* ctx.history), toolkit })
    yield* ctx.writeMessage(text)
  })
)

/** Gives its model less and less time, down to none. */
const hurried = Agent.make("hurried", (ctx) =>
  Effect.gen(function* () {
    for (const millis of [1, 2, 3, 5, 8, 13, 21, 34])
      yield* Effect.timeoutOption(Effect.exit(LanguageModel.generateText({ prompt: "ten tokens" })), millis)
    yield* ctx.writeMessage("in time")
  })
)

/** Has a bug while its model speaks. */
const breaking = Agent.make("breaking", (ctx) =>
  Effect.all(
    [
      LanguageModel.generateText({ prompt: "hang" }),
      Effect.andThen(ctx.sleep("50 millis"), ctx.step("bug", Effect.die(new Error("a bug"))))
    ],
    { concurrency: "unbounded", discard: true }
  )
)

const begun = new Set<string>()
/** Says words of its own, and stumbles over the first. */
const narrator = Agent.make("narrator", (ctx) =>
  Effect.gen(function* () {
    const told = yield* ctx.stream("tell", (emit) =>
      Effect.gen(function* () {
        if (begun.has(ctx.run)) {
          yield* emit("whole ")
          yield* emit("story")
          return "whole story"
        }
        begun.add(ctx.run)
        yield* emit("half ")
        return yield* Effect.die(new Error("lost the thread"))
      })
    )
    yield* ctx.writeMessage(told)
    return yield* ctx.stream("add", (emit) => Effect.andThen(emit("and"), Effect.fail("nothing")), {
      failure: Schema.String
    })
  })
)

const asked: Array<string> = []
const shown = (asked: ModelScripted.Asked) => JSON.stringify(asked.results)

const script: ModelScripted.Script = (about) => {
  asked.push(`${about.text}/${about.round}`)
  const { repeated, round, text } = about
  switch (text) {
    case "roll twice":
      return round < 2 ? ModelScripted.call("roll", {}) : ModelScripted.say("rolled twice")
    case "plain roll":
      return ModelScripted.call("roll", {})
    case "plain object":
      return ModelScripted.say('{"when":"2026-11-21T00:00:00.000Z"}')
    case "hang":
      return { text: ["I "], hangs: true }
    case "long":
      return { text: Array.from({ length: 1000 }, (_, index) => `${index} `), delay: "10 millis" }
    case "bug":
      throw new Error("the adapter is out of order")
    case "tool with a bug":
      return round === 0 ? ModelScripted.call("rollOf", { sides: 13 }) : ModelScripted.say(shown(about))
    case "flaky":
      return repeated === 0
        ? { text: ["half "], failure: new AiError.InternalProviderError({ description: "down" }) }
        : ModelScripted.say(["whole ", "answer"])
    case "ill":
      if (isIll) throw new Error("the adapter is out of order")
      return ModelScripted.say("well again")
    case "mute":
      return ModelScripted.say(isIll ? "" : "well again")
    case "refuse":
      return { text: "no", finish: "content-filter" }
    case "rubbish":
      return ModelScripted.say("")
    case "forever":
      return ModelScripted.call("roll", {})
    case "wrong":
      return round === 0 ? ModelScripted.call("rollOf", { sides: "six", x: 1 }) : ModelScripted.say(shown(about))
    case "unknown":
      return round === 0 ? ModelScripted.call("explode", {}) : ModelScripted.say(shown(about))
    case "always wrong":
      return ModelScripted.call("rollOf", { sides: 1e9 })
    case "store":
      return round === 0
        ? ModelScripted.call("Vault_create", { input: { label: "left", code: "4711" } })
        : ModelScripted.say(shown(about))
    case "open":
      return round === 0 ? ModelScripted.call("Vault_open", { key: "any" }) : ModelScripted.say(shown(about))
    case "nul":
      return round === 0
        ? ModelScripted.call("Vault_create", { input: { label: "a\u0000b", code: "x" } })
        : ModelScripted.say(shown(about))
    case "ten tokens":
      return { text: "ok", tokens: { input: 4, output: 6 }, delay: "20 millis" }
    default:
      return Assistant.script(about)
  }
}

const workflows = Workflow.layer(
  Agents.implement(Assistant.assistant, talker, plain, keeper, hurried, breaking, narrator)
).pipe(
  Layer.provide([
    ModelScripted.layer(script),
    dice,
    ModelSettings.layer({
      timeout: "500 millis",
      reserve: 7,
      prices: { scripted: { input: 1_000_000, output: 2_000_000 } }
    })
  ])
)

const over = (rows: ReadonlyArray<Resource.Row<typeof AgentRun>>) =>
  rows.length > 0 && rows.every(({ status }) => status === "DONE" || status === "FAILED")

/** Posts to an agent and waits for the end of its run. */
const exchange = Effect.fnUntraced(function* (agent: string, words: string) {
  const { post, runs, said } = yield* conversation(agent)
  yield* post("1", words)
  const [run] = yield* eventually(runs, over)
  return { run, last: (yield* said).at(-1) ?? "" }
})

const eventsOf = Effect.fnUntraced(function* (run: string) {
  return (yield* Stream.runCollect(watch(yield* CurrentActor, run, 0))) as ReadonlyArray<RunEvent>
})

const usageOf = Effect.fnUntraced(function* (run: string) {
  const repository = yield* Repository.Repository
  return (yield* repository.list(ModelUsage, { filters: [{ field: "run", operator: "eq", value: run }], sort: "id" }))
    .items
})

/** An infrastructure whose runs can be watched. */
export type Watched = (
  ...args: Parameters<Infrastructure>
) => Layer.Layer<Layer.Success<ReturnType<Infrastructure>> | RunEvents>

/** Declares the tests for an infrastructure. */
export const models = (name: string, infrastructure: Watched) => {
  suite(infrastructure(registry, { workflows }), { timeout: 60_000, excludeTestServices: true })(
    `models ${name}`,
    (it) => {
      it.effect("a model calls actions as tools, and its words are the run's events", () =>
        Effect.gen(function* () {
          const { last, run } = yield* exchange("assistant", "make Anvil")
          const id = /is (\S+)\.$/.exec(last)?.[1] ?? ""
          const repository = yield* Repository.Repository
          assert.strictEqual((yield* repository.get(Widget, id)).name, "Anvil")
          const events = yield* eventsOf(run?.id ?? "")
          assert.deepStrictEqual(
            events.map(({ seq }) => seq),
            events.map((_, index) => index + 1)
          )
          const words = (step: string) =>
            events
              .filter(({ data, type }) => type === "token" && data["step"] === step)
              .map(({ data }) => data["text"])
              .join("")
          assert.strictEqual(words("model1"), 'I will make "Anvil". ')
          assert.strictEqual(words("model3"), last)
          assert.isFalse(events.some(({ type }) => type === "truncate"))
          assert.deepStrictEqual(events.at(-1)?.data, { status: "DONE", over: true })
        })
      )

      it.effect("what removes something asks a person first", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          const kept = yield* Tenon.invoke(Widget.actions.create, { name: "kept" })
          const gone = yield* Tenon.invoke(Widget.actions.create, { name: "gone" })
          for (const [widget, approve] of [
            [kept, false],
            [gone, true]
          ] as const) {
            const { post, question, runs, said } = yield* conversation("assistant")
            yield* post("1", `remove ${widget.id}`)
            const open = yield* question
            assert.strictEqual(open.prompt, `May I remove Widget ${widget.id}?`)
            yield* Tenon.invoke(Question.actions.answer, open.id, { answer: { approve } })
            yield* eventually(runs, over)
            assert.strictEqual((yield* said).at(-1), approve ? "It is gone." : "I left it where it is.")
          }
          assert.strictEqual((yield* repository.get(Widget, kept.id)).name, "kept")
          assert.strictEqual((yield* Effect.flip(repository.get(Widget, gone.id)))._tag, "NotFound")
        })
      )

      it.effect("a tool of the host's is a step: called once per call of the model", () =>
        Effect.gen(function* () {
          const before = rolled
          const { last } = yield* exchange("talker", "roll twice")
          assert.strictEqual(last, "rolled twice")
          assert.strictEqual(rolled - before, 2)
        })
      )

      it.effect("effect/ai as it is: text with tools, and objects", () =>
        Effect.gen(function* () {
          const { last, run } = yield* exchange("plain", "go")
          assert.include(last, "rolled DateTime.Utc(2026-11-21T00:00:00.000Z)")
          assert.strictEqual((yield* usageOf(run?.id ?? "")).length, 2)
        })
      )

      it.effect("a model that hangs fails the run in time, with words for the thread", () =>
        Effect.gen(function* () {
          const { last, run } = yield* exchange("talker", "hang")
          assert.strictEqual(run?.status, "FAILED")
          assert.strictEqual(last, "! The language model did not answer: nothing came within 500ms.")
          const [usage] = yield* usageOf(run?.id ?? "")
          assert.strictEqual(usage?.status, "FAILED")
        })
      )

      it.effect("a run that is cancelled while its model speaks stops at once, and its call is closed", () =>
        Effect.gen(function* () {
          const { post, runs } = yield* conversation("talker")
          yield* post("1", "long")
          const [run] = yield* eventually(runs, (rows) => rows[0]?.status === "RUNNING")
          const id = run?.id ?? ""
          const actor = yield* CurrentActor
          yield* watch(actor, id, 0).pipe(
            Stream.takeUntil(({ type }) => type === "token"),
            Stream.runDrain
          )
          yield* Tenon.invoke(AgentRun.actions.cancel, id)
          yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          yield* eventually(usageOf(id), (rows) => rows[0]?.status === "FAILED")
          assert.deepInclude((yield* eventsOf(id)).at(-1)?.data, { status: "CANCELLED", over: true })
        })
      )

      it.effect("a call that fails half way is tried again, and its first words are taken back", () =>
        Effect.gen(function* () {
          const { last, run } = yield* exchange("talker", "flaky")
          assert.strictEqual(last, "whole answer")
          const types = (yield* eventsOf(run?.id ?? "")).map(({ data, type }) =>
            type === "token" ? String(data["text"]) : type
          )
          assert.deepStrictEqual(
            types.filter((type) => type !== "status" && type !== "message"),
            ["step", "half ", "truncate", "whole answer", "step"]
          )
        })
      )

      it.effect("a program shows words of its own, and takes them back where its step is begun again", () =>
        Effect.gen(function* () {
          const { run } = yield* exchange("narrator", "go")
          assert.strictEqual(run?.problem, "nothing")
          const events = yield* eventsOf(run?.id ?? "")
          assert.deepStrictEqual(
            events
              .filter(({ type }) => type !== "status" && type !== "message")
              .map(({ data, type }) => [data["step"], type === "token" ? data["text"] : (data["state"] ?? type)]),
            [
              ["stream1", "begun"],
              ["stream1", "half "],
              ["stream1", "truncate"],
              ["stream1", "whole story"],
              ["stream1", "ended"],
              ["stream2", "begun"],
              ["stream2", "and"],
              ["stream2", "failed"]
            ]
          )
          assert.strictEqual(events.find(({ data }) => data["step"] === "stream2")?.data["name"], "add")
        })
      )

      for (const [words, problem] of [
        ["refuse", "The language model declined to answer."],
        ["rubbish", "The language model did not answer: its answer was empty."],
        [
          "bug",
          "The language model did not answer: something unexpected happened; the log of the application says what."
        ],
        ["forever", "The language model had not finished after 5 rounds."]
      ] as const)
        it.effect(`a model that does not behave ends the run: ${words}`, () =>
          Effect.gen(function* () {
            const { last, run } = yield* exchange("talker", words)
            assert.strictEqual(run?.status, "FAILED")
            assert.strictEqual(last, `! ${problem}`)
          })
        )

      it.effect("arguments that do not fit are told to the model with every reason", () =>
        Effect.gen(function* () {
          const wrong = yield* exchange("talker", "wrong")
          assert.include(wrong.last, "The arguments do not fit. sides: ")
          const unknown = yield* exchange("talker", "unknown")
          assert.include(unknown.last, "There is no such tool. There are: roll, rollOf.")
          const always = yield* exchange("talker", "always wrong")
          assert.strictEqual(always.run?.status, "FAILED")
          const bug = yield* exchange("talker", "tool with a bug")
          assert.include(bug.last, "Something unexpected happened.")
          assert.include(always.last, 'kept calling the tool \\"rollOf\\" wrongly'.replaceAll("\\", ""))
        })
      )

      it.effect("an action as a tool is judged as from outside and shows no more than its caller may see", () =>
        Effect.gen(function* () {
          const stored = yield* exchange("keeper", "store")
          assert.include(stored.last, '"label":"left"')
          assert.notInclude(stored.last, "4711")
          const refused = yield* exchange("keeper", "open")
          assert.include(refused.last, '"error":"Forbidden"')
          const nul = yield* exchange("keeper", "nul")
          assert.include(nul.last, '"error":"InvalidInput"')
        })
      )

      for (const [words, first] of [
        ["ill", "FAILED"],
        ["mute", "DONE"]
      ] as const)
        it.effect(`a run that failed with its ${words} model calls it anew, in its own name and at its own cost`, () =>
          Effect.gen(function* () {
            isIll = true
            const { post, runs, said } = yield* conversation("assistant")
            yield* post("1", words)
            const [failed] = yield* eventually(runs, ([each]) => each?.status === "FAILED")
            isIll = false
            const { runId } = yield* Tenon.invoke(AgentRun.actions.retry, failed?.id ?? "")
            yield* eventually(runs, (rows) => rows.find(({ id }) => id === runId)?.status === "DONE")
            assert.strictEqual((yield* said).at(-1), "well again")
            const usage = (yield* (yield* Repository.Repository).list(ModelUsage, { limit: "500" })).items
            const of = (run: string) => usage.flatMap((each) => (each.run === run ? [each.status] : []))
            assert.deepStrictEqual([of(failed?.id ?? ""), of(runId)], [[first], ["DONE"]])
          })
        )

      it.effect("usage is recorded once per call, with its cost", () =>
        Effect.gen(function* () {
          const { run } = yield* exchange("talker", "ten tokens")
          const [usage] = yield* usageOf(run?.id ?? "")
          const { cost, inputTokens, model, outputTokens, status } = usage ?? {}
          assert.deepStrictEqual(
            { cost, inputTokens, model, outputTokens, status },
            { cost: 16, inputTokens: 4, model: "scripted", outputTokens: 6, status: "DONE" }
          )
        })
      )

      it.effect("what was set aside for calls that were given up is given back, whenever that was", () =>
        Effect.gen(function* () {
          const { run } = yield* exchange("hurried", "go")
          assert.strictEqual(run?.status, "DONE")
          yield* eventually(usageOf(run?.id ?? ""), (rows) => rows.every(({ status }) => status !== "OPEN"))
        })
      )

      it.effect("what was set aside for a call that a bug cuts off is given back", () =>
        Effect.gen(function* () {
          const { run } = yield* exchange("breaking", "go")
          assert.strictEqual(run?.status, "FAILED")
          yield* eventually(usageOf(run?.id ?? ""), (rows) => rows.length > 0 && rows[0]?.status === "FAILED")
        })
      )

      it.effect("concurrent runs stay within the tenant's budget", () =>
        Effect.gen(function* () {
          const repository = yield* Repository.Repository
          yield* Tenon.invoke(ModelBudget.actions.set, budgetKey, { period: "day", tokenLimit: 70 })
          const ends = yield* Effect.forEach(Array.from({ length: 20 }), () => exchange("talker", "ten tokens"), {
            concurrency: "unbounded"
          })
          const done = ends.filter(({ run }) => run?.status === "DONE")
          assert.strictEqual(done.length, 7)
          for (const { last, run } of ends)
            if (run?.status !== "DONE")
              assert.strictEqual(last, "! The budget for language models is used up: 70 tokens a day.")
          assert.strictEqual((yield* repository.get(ModelBudget, budgetKey)).tokens, 70)
        }).pipe(Effect.provideService(CurrentActor, Testing.actor({ tenantId: "tenant-b" })))
      )
    }
  )
}
