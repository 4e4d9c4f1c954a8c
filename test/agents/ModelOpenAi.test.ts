import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Conversation from "@tenon/agents/Conversation"
import * as ModelOpenAi from "@tenon/agents/ModelOpenAi"
import * as ModelSettings from "@tenon/agents/ModelSettings"
import { ModelUsage } from "@tenon/agents/ModelUsage"
import { CurrentActor } from "@tenon/core/Actor"
import * as Repository from "@tenon/core/Repository"
import { watch } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import * as Assistant from "@tenon/examples/agents/Assistant"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { conversation, eventually, registry } from "../support/agentDomain.ts"
import * as ChatServer from "../support/ChatServer.ts"

class Chat extends Context.Service<Chat, Effect.Success<typeof ChatServer.start>>()("@tenon/test/Chat") {}

const key = "sk-very-secret-0123456789"
/** Everything that was logged or traced. */
const trail: Array<string> = []
const seen = (...what: ReadonlyArray<unknown>) =>
  void trail.push(
    what
      .map((each) =>
        typeof each === "string"
          ? each
          : JSON.stringify(each, (_, value) => (typeof value === "bigint" ? String(value) : value))
      )
      .join(" ")
  )

/** Every attribute of a span. */
const spans: Array<string> = []

const tracer = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    const attribute = span.attribute.bind(span)
    span.attribute = (name: string, value: unknown) => (
      spans.push(JSON.stringify([options.name, name, value])),
      seen(options.name, name, value),
      attribute(name, value)
    )
    return span
  }
})

const Dice = Toolkit.make(
  Tool.make("rollOf", {
    parameters: Schema.Struct({ sides: Schema.Int.check(Schema.isGreaterThan(1)) }),
    success: Schema.Int
  })
)

const chatter = Agent.make("chatter", (ctx) =>
  Effect.gen(function* () {
    const { text } = yield* Conversation.run({
      prompt: Conversation.fromHistory(yield* ctx.history),
      system: "Be brief.",
      toolkit: Dice
    })
    yield* ctx.writeMessage(text)
  })
)

const settings = ModelSettings.layer({ timeout: "2 seconds" })

const layer = Layer.unwrap(
  Effect.gen(function* () {
    const chat = yield* ChatServer.start
    const model = ModelOpenAi.layerConfig.pipe(
      Layer.provide(FetchHttpClient.layer),
      Layer.provide(
        ConfigProvider.layer(
          ConfigProvider.fromUnknown({ MODEL_URL: `${chat.url}/`, MODEL_NAME: "chatty", MODEL_API_KEY: key })
        )
      ),
      Layer.orDie
    )
    const dice = Dice.toLayer({ rollOf: ({ sides }) => Effect.succeed(sides - 2) })
    const workflows = Workflow.layer(Agents.implement(chatter)).pipe(Layer.provide([model, dice, settings]))
    return Testing.layer(registry, { workflows }).pipe(
      Layer.provideMerge(Layer.mergeAll(model, Layer.succeed(Chat, chat))),
      Layer.provideMerge(Logger.layer([Logger.make(({ cause, message }) => seen(message, cause))])),
      Layer.provideMerge(Layer.succeed(Tracer.Tracer, tracer))
    )
  })
)

suite(layer, { timeout: 60_000, excludeTestServices: true })("a model behind chat completions", (it) => {
  const exchange = Effect.fnUntraced(function* (words: string) {
    const { post, runs, said } = yield* conversation("chatter")
    yield* post("1", words)
    const [run] = yield* eventually(runs, (rows) => rows.some(({ status }) => status === "DONE" || status === "FAILED"))
    const last = (yield* said).at(-1) ?? ""
    const events = yield* Stream.runCollect(watch(yield* CurrentActor, run?.id ?? "", 0))
    seen(run, last, events)
    return { run, last }
  })

  it.effect("answers in pieces, with its tokens counted", () =>
    Effect.gen(function* () {
      const { asked } = yield* Chat
      const { last, run } = yield* exchange("hello")
      assert.strictEqual(last, "Hello.")
      const [request] = asked
      assert.strictEqual(request?.path, "/v1/chat/completions")
      assert.strictEqual(request?.authorization, `Bearer ${key}`)
      assert.deepInclude(request?.body, { model: "chatty", stream: true })
      assert.deepStrictEqual(request?.body.messages, [
        { role: "system", content: "Be brief." },
        { role: "user", content: "hello" }
      ])
      const repository = yield* Repository.Repository
      const { items } = yield* repository.list(ModelUsage, {
        filters: [{ field: "run", operator: "eq", value: run?.id ?? "" }]
      })
      assert.deepInclude(items[0], { model: "chatty-1", inputTokens: 11, outputTokens: 7 })
    })
  )

  it.effect("calls tools, whose arguments come in pieces", () =>
    Effect.gen(function* () {
      const { asked } = yield* Chat
      assert.strictEqual((yield* exchange("tool")).last, "It said 4.")
      assert.deepInclude(asked.at(-1)?.body.messages.at(-2), {
        role: "assistant",
        tool_calls: [{ id: "c1", type: "function", function: { name: "rollOf", arguments: '{"sides":6}' } }]
      })
      assert.deepStrictEqual(Object.keys(asked.at(-1)?.body.tools[0].function.parameters.properties), ["sides"])
    })
  )

  it.effect("is told of arguments that are no JSON", () =>
    Effect.gen(function* () {
      assert.include((yield* exchange("bad arguments")).last, "The arguments do not fit.")
    })
  )

  it.effect("waits as long as it is told to when the server is busy, and asks again under the same key", () =>
    Effect.gen(function* () {
      const { asked } = yield* Chat
      const before = asked.length
      assert.strictEqual((yield* exchange("busy")).last, "free again")
      assert.strictEqual((yield* exchange("busy")).last, "free again")
      const keys = asked.slice(before).map((each) => each.key)
      // Twice for the first run, whose first request was refused, and once for the second.
      assert.lengthOf(keys, 3)
      assert.strictEqual(keys[0], keys[1])
      assert.strictEqual(new Set(keys).size, 2)
      for (const each of keys) assert.match(String(each), /^[0-9a-f]{64}$/)
    })
  )

  for (const [words, problem] of [
    ["very busy", "Rate limit exceeded. Retry after 1h."],
    ["broken", "Internal provider error: the model's server answered 500."],
    ["malformed", "Invalid output: a piece of the answer is no chat completion."],
    ["not even http", "Internal provider error: the model's server could not be reached."],
    ["cut", "Internal provider error: the model's server could not be reached."],
    ["quiet end", "Internal provider error: the answer was cut off."],
    ["hang", "nothing came within 2s."]
  ] as const)
    it.effect(`fails with words for the thread: ${words}`, () =>
      Effect.gen(function* () {
        const { last, run } = yield* exchange(words)
        assert.strictEqual(run?.status, "FAILED")
        assert.strictEqual(last, `! The language model did not answer: ${problem}`)
      })
    )

  it.effect("may refuse, or refuse the key", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* exchange("refuse")).last, "! The language model declined to answer.")
      assert.include((yield* exchange("wrong key")).last, "! The language model did not answer: ")
    })
  )

  it.effect("its tools leave no arguments in traces", () =>
    Effect.sync(() => {
      assert.isNotEmpty(spans)
      assert.deepStrictEqual(
        spans.filter((each) => each.includes("sides") || each.includes("parameters")),
        []
      )
    })
  )

  it.effect("gives objects and whole answers too", () =>
    Effect.gen(function* () {
      const { asked } = yield* Chat
      const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
      const { value } = yield* LanguageModel.generateObject({ prompt: "object", schema: Person, objectName: "person" })
      assert.deepStrictEqual(value, { name: "Ada", age: 36 })
      assert.strictEqual(asked.at(-1)?.body.response_format.json_schema.name, "person")
      assert.strictEqual((yield* LanguageModel.generateText({ prompt: "hello" })).text, "Hello.")
      const called = yield* LanguageModel.generateText({
        prompt: "whole tool",
        toolkit: Dice.pipe(Effect.provide(Dice.toLayer({ rollOf: ({ sides }) => Effect.succeed(sides) })))
      })
      assert.strictEqual(called.toolResults[0]?.result, 6)
    })
  )

  it.effect("is the one in use where it is configured, and the script's where it is not", () =>
    Effect.gen(function* () {
      const { url } = yield* Chat
      const said = (settings: { readonly [name: string]: string }) =>
        LanguageModel.generateText({ prompt: "hello" }).pipe(
          Effect.map(({ text }) => text),
          Effect.provide(
            Assistant.layerModel.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(settings))))
          )
        )
      assert.strictEqual(yield* said({ MODEL_URL: url, MODEL_NAME: "chatty" }), "Hello.")
      assert.include(yield* said({}), 'Say "make"')
    })
  )

  it.effect("its key is nowhere but in its own requests", () =>
    Effect.sync(() => {
      assert.isAbove(trail.length, 20)
      assert.deepStrictEqual(
        trail.filter((each) => each.includes("very-secret")),
        []
      )
    })
  )
})
