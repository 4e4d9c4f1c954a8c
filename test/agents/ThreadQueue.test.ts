import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { AgentRun } from "@tenon/agents/AgentRun"
import { Question } from "@tenon/agents/Question"
import { QueuePolicy } from "@tenon/agents/RunQueue"
import { Thread } from "@tenon/agents/Thread"
import * as Repository from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { conversation, eventually, registry } from "../support/agentDomain.ts"
import { seeds } from "../support/seeds.ts"

/** By run, the position of the last message that it saw when it began. */
const seen = new Map<string, number>()

/** Looks, and then does one of the things that end in different ways, as chance has it. */
const moody = Agent.make("moody", (ctx) =>
  Effect.gen(function* () {
    const history = yield* ctx.history
    yield* ctx.step(
      "look",
      Effect.sync(() => void seen.set(ctx.run, history.at(-1)?.position ?? 0))
    )
    const mood = yield* ctx.random
    if (mood < 0.2) return
    if (mood < 0.3) return yield* ctx.step("throw", Effect.die(new Error("a mood")))
    if (mood < 0.5) return yield* ctx.sleep(Math.round(mood * 60))
    if (mood < 0.6)
      return yield* Effect.raceFirst(Effect.asVoid(ctx.ask("now?", Schema.String)), ctx.sleep("20 millis"))
    yield* ctx.ask("well?", Schema.String, mood < 0.8 ? { expires: "15 millis" } : {})
  })
)

const chance = (seed: number) => {
  let state = (seed * 2654435761) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const isOver = (status: string) => status === "DONE" || status === "FAILED" || status === "CANCELLED"

/** People post, cancel and answer in any order, and the queue's promises hold at every look and at the end. */
const law = Effect.fnUntraced(function* (seed: number, policy: QueuePolicy) {
  const draw = chance(seed)
  const pick = <A>(items: ReadonlyArray<A>): A | undefined => items[Math.floor(draw() * items.length)]
  const { messages, post, questions, runs, thread } = yield* conversation("moody", policy)
  const accepted = new Set<string>()
  const where = `seed ${seed}, ${policy}`
  const oneAtATime = Effect.map(runs, (rows) =>
    assert.isAtMost(rows.filter(({ status }) => status === "RUNNING" || status === "WAITING").length, 1, where)
  )
  const answer = Effect.flatMap(questions, (rows) => {
    const question = pick(rows.filter(({ status }) => status === "OPEN"))
    return question === undefined
      ? Effect.void
      : Effect.ignore(Tenon.invoke(Question.actions.answer, question.id, { answer: "yes" }))
  })
  const cancel = Effect.flatMap(runs, (rows) => {
    const run = pick(rows.filter(({ status }) => !isOver(status)))
    return run === undefined ? Effect.void : Effect.ignore(Tenon.invoke(AgentRun.actions.cancel, run.id))
  })
  const watching = yield* Effect.forkChild(Effect.forever(Effect.andThen(oneAtATime, Effect.sleep("3 millis"))))
  const acts: Array<Fiber.Fiber<unknown, unknown>> = []
  for (let turn = 0; turn < 14; turn++) {
    const what = draw()
    const act =
      what < 0.5
        ? Effect.matchEffect(post(`m${turn}`), {
            onSuccess: ({ id }) => Effect.sync(() => void accepted.add(id)),
            onFailure: ({ _tag }) => Effect.sync(() => assert.strictEqual(_tag, "ThreadBusy", where))
          })
        : what < 0.65
          ? cancel
          : answer
    if (draw() < 0.5) yield* act
    else acts.push(yield* Effect.forkChild(act))
    if (draw() < 0.6) yield* Effect.sleep(Math.round(draw() * 20))
  }
  const repository = yield* Repository.Repository
  // A message that is still on its way would have its run after all of them have been looked at.
  yield* Fiber.joinAll(acts)
  yield* eventually(
    Effect.andThen(answer, Effect.all({ runs, thread: repository.get(Thread, thread.id) })),
    ({ runs, thread }) => thread.activeRun === undefined && runs.every(({ status }) => isOver(status))
  )
  assert.isUndefined(watching.pollUnsafe(), where)
  yield* Fiber.interrupt(watching)
  const all = yield* runs
  const open = yield* eventually(questions, (rows) => rows.every(({ status }) => status !== "OPEN"))
  assert.isTrue(
    open.every(({ answer, status }) => (status === "ANSWERED") === (answer !== undefined)),
    where
  )
  for (const { createdAt, id, position } of yield* messages) {
    if (!accepted.has(id)) continue
    const answered = all.some(
      (run) =>
        (seen.get(run.id) ?? 0) >= position ||
        (run.status === "CANCELLED" && run.updatedAt.epochMilliseconds >= createdAt.epochMilliseconds)
    )
    assert.isTrue(answered, `${where}: nobody answered the message at ${position}`)
    if (policy === "enqueue") assert.strictEqual(all.filter(({ messageId }) => messageId === id).length, 1, where)
  }
})

const { count, from } = seeds(25)

suite(Testing.layer(registry, { workflows: Workflow.layer(Agents.implement(moody)) }), {
  timeout: 60_000,
  excludeTestServices: true
})("the queue of a thread", (it) => {
  for (const policy of QueuePolicy.literals) {
    it.effect(
      `keeps its promises whatever comes together: ${policy}`,
      () =>
        Effect.forEach(
          Array.from({ length: count }, (_, index) => from + index),
          (seed) => law(seed, policy),
          { concurrency: 20, discard: true }
        ),
      600_000
    )
  }
})
