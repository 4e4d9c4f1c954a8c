/** What is measured: two workflows of twenty steps, whose peers do the same, and two agents. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Conversation from "@tenon/agents/Conversation"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import { Durable } from "@tenon/core/Durable"
import * as Registry from "@tenon/core/Registry"
import * as Workflow from "@tenon/core/Workflow"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Shape from "./Shape.ts"

const input = { text: Schema.String }

/** Twenty steps, one after the other. */
export const Sequential = Workflow.make("BenchSequential", { input })

/** Four rounds of five steps at once. */
export const Concurrent = Workflow.make("BenchConcurrent", { input })

const step = (durable: Durable["Service"], index: number, text: string) =>
  durable.step(Shape.stepName(index), Effect.succeed(Shape.result(index, text)))

const sequential = Workflow.implement(
  Sequential,
  Effect.fnUntraced(function* ({ text }) {
    const durable = yield* Durable
    for (let index = 0; index < Shape.steps; index++) yield* step(durable, index, text)
  })
)

const concurrent = Workflow.implement(
  Concurrent,
  Effect.fnUntraced(function* ({ text }) {
    const durable = yield* Durable
    for (const round of Shape.rounds) {
      yield* Effect.forEach(round, (index) => step(durable, index, text), { concurrency: "unbounded" })
    }
  })
)

/** Answers with what the model says. */
const talker = Agent.make(
  "talker",
  Effect.fn("talker")(function* (ctx) {
    const { text } = yield* Conversation.run({ prompt: Conversation.fromHistory(yield* ctx.history) })
    yield* ctx.writeMessage(text)
  })
)

/** Waits for a person. */
const asker = Agent.make(
  "asker",
  Effect.fn("asker")(function* (ctx) {
    yield* ctx.ask("Go on?", Schema.Struct({ go: Schema.Boolean }), { expires: "1 day" })
  })
)

/** What a model is told that begins to answer and never ends. */
export const endless = "Go on for ever."

const model = ModelScripted.layer(({ text }) => ({
  text: ["Twenty ", "words ", "would ", "be ", "enough."],
  hangs: text === endless
}))

export const registry = Registry.make({
  resources: Agents.resources,
  workflows: [Sequential, Concurrent, ...Agents.workflows]
})

/** The workflows without agents, for a process that runs nothing else. */
export const stepWorkflows = Workflow.layer(sequential, concurrent)

export const workflows = Agents.layer(sequential, concurrent, talker, asker).pipe(Layer.provide(model))
