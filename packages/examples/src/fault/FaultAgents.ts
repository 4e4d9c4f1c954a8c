/** Agents that leave a mark of every step they execute, so that what was done can be held against what was kept. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import type { AgentContext } from "@tenon/agents/AgentContext"
import * as Content from "@tenon/agents/Content"
import { CurrentActor } from "@tenon/core/Actor"
import * as Field from "@tenon/core/Field"
import { NewId } from "@tenon/core/NewId"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** One execution of a step. `seen` are the results of the steps before it, as its run knew them. */
export const Mark = Resource.make("Mark", {
  fields: {
    id: Field.Id,
    runId: Schema.String,
    step: Schema.String,
    token: Schema.String,
    seen: Schema.Array(Schema.String),
    at: Schema.Int
  },
  indexes: [["runId"]],
  actions: () => ({})
})

/** Executes a step: its result is new each time, so that a second execution shows. */
const mark = (ctx: AgentContext<unknown>, step: string, seen: ReadonlyArray<string>, millis: number) =>
  ctx.step(
    step,
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      const at = yield* Clock.currentTimeMillis
      const token = `${step}:${(yield* NewId)(at)}`
      yield* repository.save(Mark, { runId: ctx.run, step, token, seen, at })
      yield* Effect.sleep(millis)
      return token
      // A database that is away is waited for; a step that died of it would count as a bug.
    }).pipe(Effect.provideService(CurrentActor, ctx.actor))
  )

const helper = Agent.make(
  "helper",
  { input: Schema.String, output: Schema.String },
  Effect.fn("helper")(function* (ctx) {
    const first = yield* mark(ctx, "looked", [ctx.input], 30)
    yield* ctx.sleep("50 millis")
    return yield* mark(ctx, "found", [ctx.input, first], 30)
  })
)

/** Steps, waits, asks, has another agent help, and at last says what it kept of each step. */
const worker = Agent.make(
  "worker",
  Effect.fn("worker")(function* (ctx) {
    const first = yield* mark(ctx, "first", [], 80)
    yield* ctx.sleep("200 millis")
    const both = yield* Effect.all([mark(ctx, "left", [first], 60), mark(ctx, "right", [first], 40)], {
      concurrency: "unbounded"
    })
    const answer = yield* ctx.ask("Go on?", Schema.String, { expires: "1 hour" })
    const seen = [first, ...both]
    const raced = yield* Effect.raceFirst(mark(ctx, "raced", seen, 50), Effect.as(ctx.sleep("1 minute"), "late"))
    const found = yield* ctx.child(helper, raced)
    yield* ctx.writeMessage(Content.data({ run: ctx.run, answer, kept: [...seen, raced, found] }))
  })
)

/** Where a run can be told to dwell, by the message that it answers. */
export const dwells = ["in a step", "asking", "asleep"] as const
export type Dwell = (typeof dwells)[number]

/** Stays where it is told to for long enough to be struck there. */
const dweller = Agent.make(
  "dweller",
  Effect.fn("dweller")(function* (ctx) {
    const told = (yield* ctx.history).findLast(({ content }) => content.type === "text")?.content
    const where = told?.type === "text" ? told.text : ""
    const kept = [yield* mark(ctx, "first", [], 30)]
    if (where === "in a step") kept.push(yield* mark(ctx, "dwelt", kept, 3000))
    if (where === "asking") yield* ctx.ask("Go on?", Schema.String, { expires: "1 hour" })
    if (where === "asleep") yield* ctx.sleep("3 seconds")
    kept.push(yield* mark(ctx, "last", [...kept], 30))
    yield* ctx.writeMessage(Content.data({ run: ctx.run, answer: where, kept }))
  })
)

/** The resources and workflows of the application that is broken. */
export const registry = Registry.make({ resources: [...Agents.resources, Mark], workflows: Agents.workflows })

/** What its workflows do. */
export const workflows = Agents.layer(worker, helper, dweller)
