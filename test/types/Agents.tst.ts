/** What an agent needs from its host is in its type. Checked by the type checker; never run. */
// TypeScript refuses what is missing already, and an expected error silences TypeScript only.
// @effect-diagnostics missingLayerContext:off
import * as Agent from "@tenon/agents/Agent"
import type { AgentContext } from "@tenon/agents/AgentContext"
import { RunAgent } from "@tenon/agents/AgentRun"
import * as Agents from "@tenon/agents/Agents"
import { CurrentRun } from "@tenon/agents/AgentContext"
import { Durable } from "@tenon/core/Durable"
import type { RowStore } from "@tenon/core/RowStore"
import type { RunEvents } from "@tenon/core/RunEvents"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { registry } from "../support/agentDomain.ts"
import { expectType, type Same } from "./Expect.ts"

class Weather extends Context.Service<Weather, { readonly look: Effect.Effect<string> }>()("test/Weather") {}
class Post extends Context.Service<Post, { readonly send: (text: string) => Effect.Effect<void> }>()("test/Post") {}

const inStep = Agent.make("in a step", (ctx) =>
  ctx.step(
    "look",
    Effect.flatMap(Weather, ({ look }) => look)
  )
)
const streaming = Agent.make("streaming", (ctx) =>
  ctx.stream("look", (emit) => Effect.flatMap(Weather, ({ look }) => Effect.flatMap(look, emit)))
)
const both = Agent.make("both", { output: Schema.String }, (ctx) =>
  Effect.gen(function* () {
    const { look } = yield* Weather
    const { send } = yield* Post
    yield* Durable
    yield* CurrentRun
    const seen = yield* ctx.step("look", look)
    yield* ctx.step("send", send(seen))
    return seen
  })
)
const plain = Agent.make("plain", (ctx) => ctx.writeMessage("hello"))

// What the run itself gives is nobody else's business.
expectType<Same<Agent.Services<typeof inStep>, Weather>>(true)
expectType<Same<Agent.Services<typeof streaming>, Weather>>(true)
expectType<Same<Agent.Services<typeof both>, Weather | Post>>(true)
expectType<Same<Agent.Services<typeof plain>, never>>(true)

const workflows = Workflow.layer(Agents.implement(inStep, streaming, both, plain))
type Needs<L> = L extends Layer.Layer<infer _A, infer _E, infer R> ? R : never
expectType<Same<Needs<typeof workflows>, Weather | Post | RunEvents>>(true)

/** A program of the host's own, beside the agents. */
const own = Workflow.implement(RunAgent, () => Effect.flatMap(Post, ({ send }) => send("hello")))
const together = Agents.layer(inStep, plain, own)
expectType<Same<Needs<typeof together>, Weather | Post | RunEvents | RowStore>>(true)
const alone = Agents.layer(plain)
expectType<Same<Needs<typeof alone>, RunEvents | RowStore>>(true)

const weather = Layer.succeed(Weather, { look: Effect.succeed("sun") })
const post = Layer.succeed(Post, { send: () => Effect.void })

/** With all of it the agents are implemented. */
export const whole = Testing.layer(registry, { workflows: Layer.provide(workflows, [weather, post]) })
whole satisfies Layer.Layer<never>

const lacking = Testing.layer(registry, { workflows: Layer.provide(workflows, weather) })
// @ts-expect-error nothing gives the service that one of the agents sends with
lacking satisfies Layer.Layer<never>
// @ts-expect-error nothing gives either
workflows satisfies Layer.Layer<Workflow.Workflows, never, RunEvents>

// A child's result and input are its own.
export const parent = (ctx: AgentContext) =>
  Effect.gen(function* () {
    expectType<Same<string, Effect.Success<ReturnType<typeof child>>>>(true)
    // @ts-expect-error the agent takes nothing
    yield* ctx.child(both, 1)
  })
const child = (ctx: AgentContext) => ctx.child(both, undefined)
