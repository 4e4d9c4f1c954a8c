/** An answer in the moment in which its question's time runs out, in either order: it counts, or it is refused. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import { Question } from "@tenon/agents/Question"
import { Checkpoint } from "@tenon/core/Checkpoint"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as Testing from "@tenon/testing/Testing"
import { assert, layer as suite } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { conversation, eventually, registry } from "../support/agentDomain.ts"
import type { Infrastructure } from "../support/agentSuite.ts"
import { server } from "../support/ScratchDatabase.ts"

const brief = Agent.make("brief", (ctx) =>
  ctx.ask("Quick?", Schema.String, { expires: "1 second" }).pipe(
    Effect.catch(() => Effect.succeed("nobody")),
    Effect.flatMap((answer) => ctx.writeMessage(`heard ${answer}`))
  )
)

/** The action that is held up before it is done, until the question's time has passed. */
let held = ""
const hold = Layer.succeed(Checkpoint, (point, what) =>
  point === "before" && what === held ? Effect.sleep("1600 millis") : Effect.void
)

const workflows = Workflow.layer(Agents.implement(brief))

const lastMoment = (name: string, infrastructure: Infrastructure) =>
  suite(infrastructure(registry, { workflows }).pipe(Layer.provideMerge(hold)), {
    timeout: 60_000,
    excludeTestServices: true
  })(`an answer as the time runs out ${name}`, (it) => {
    const answered = Effect.fnUntraced(function* (slow: string, after: Duration.Input) {
      held = slow
      const { post, question, questions, runs, said } = yield* conversation("brief")
      yield* post("1")
      const { id } = yield* question
      yield* Effect.sleep(after)
      const result = yield* Effect.result(Tenon.invoke(Question.actions.answer, id, { answer: "me" }))
      yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
      // Whatever was held up has come by now.
      yield* Effect.sleep("1700 millis")
      return { result, status: (yield* questions)[0]?.status, said: yield* said }
    })

    it.effect("counts where it came first, and is shown before the words that follow from it", () =>
      Effect.gen(function* () {
        const { result, said, status } = yield* answered("Thread.noteAnswer", 0)
        assert.strictEqual(result._tag, "Success")
        assert.strictEqual(status, "ANSWERED")
        assert.deepStrictEqual(said, ["1", "question", "answer", "heard me"])
      })
    )

    it.effect(
      "is refused where it came second, though the run has not closed the question yet, and shown nowhere",
      () =>
        Effect.gen(function* () {
          const { result, said, status } = yield* answered("Question.close", "1200 millis")
          assert.isTrue(result._tag === "Failure" && result.failure._tag === "QuestionClosed")
          assert.strictEqual(status, "EXPIRED")
          assert.deepStrictEqual(said, ["1", "question", "heard nobody"])
        })
    )
  })

lastMoment("over PostgreSQL", (registry, options) => Testing.layerPostgres(registry, { ...options, server }))
lastMoment("over PostgreSQL and Restate", (registry, options) => Testing.layerRestate(registry, { ...options, server }))
