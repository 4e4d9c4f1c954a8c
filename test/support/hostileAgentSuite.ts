/** What agents with bugs, and people in a hurry, must not be able to do: block a thread, or go unseen. */
import * as Agents from "@tenon/agents/Agents"
import { AgentRun, RunAgent } from "@tenon/agents/AgentRun"
import * as Content from "@tenon/agents/Content"
import { Question } from "@tenon/agents/Question"
import { maxWaiting } from "@tenon/agents/RunQueue"
import { Thread } from "@tenon/agents/Thread"
import * as Repository from "@tenon/core/Repository"
import type * as Resource from "@tenon/core/Resource"
import { isAlive, RunJournal } from "@tenon/core/RunJournal"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { actor } from "@tenon/testing/Testing"
import { assert, describe, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { conversation, eventually, registry } from "./agentDomain.ts"
import type { Infrastructure } from "./agentSuite.ts"
import { aborted, begun, failures, patients, unstoppable } from "./hostileAgents.ts"

const workflows = Workflow.layer(Agents.implement(...failures, ...patients))

type Run = Resource.Row<typeof AgentRun>

const activeRun = (threadId: string) =>
  Effect.gen(function* () {
    return (yield* (yield* Repository.Repository).get(Thread, threadId)).activeRun
  })

const cancel = (run: Run | undefined) => Tenon.invoke(AgentRun.actions.cancel, run?.id ?? "")

const statuses = (rows: ReadonlyArray<Run>) => rows.map(({ status }) => status)

const answer = (question: string, words: string) => Tenon.invoke(Question.actions.answer, question, { answer: words })

/** Declares the tests for an infrastructure. */
export const hostileAgents = (name: string, infrastructure: Infrastructure) => {
  describe.concurrent(`agents with bugs ${name}`, { timeout: 60_000 }, () => {
    suite(infrastructure(registry, { workflows }), { timeout: 60_000, excludeTestServices: true, concurrent: true })(
      (it) => {
        for (const agent of failures) {
          it.effect(`one that ${agent.name} says so in the thread and frees it`, () =>
            Effect.gen(function* () {
              const { post, runs, said, thread } = yield* conversation(agent.name)
              yield* post("1")
              yield* post("2")
              yield* eventually(runs, (rows) => statuses(rows).join() === "FAILED,FAILED")
              const words = (yield* said).filter((each) => each.startsWith("! "))
              assert.strictEqual(words.length, 2)
              for (const each of words) assert.isBelow(each.length, 5_000)
              assert.isUndefined(yield* activeRun(thread.id))
            })
          )
        }

        it.effect("one that asks twice at once waits until both are answered", () =>
          Effect.gen(function* () {
            const { post, questions, runs, said } = yield* conversation("asks twice at once")
            yield* post("1")
            const asked = yield* eventually(questions, (rows) => rows.length === 2)
            const [second, first] = asked.toSorted((a, b) => (a.prompt < b.prompt ? 1 : -1))
            yield* answer(second?.id ?? "", "b")
            yield* eventually(said, (words) => words.includes("answer"))
            yield* Effect.sleep("100 millis")
            assert.deepStrictEqual(statuses(yield* runs), ["WAITING"])
            yield* answer(first?.id ?? "", "a")
            yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
            assert.strictEqual((yield* said).at(-1), "a b")
          })
        )

        it.effect("a question that its run no longer waits for takes no answer", () =>
          Effect.gen(function* () {
            const { post, questions, runs } = yield* conversation("asks in a race")
            yield* post("1")
            const [asked] = yield* eventually(questions, (rows) => rows[0]?.status === "EXPIRED")
            const late = yield* Effect.flip(answer(asked?.id ?? "", "me"))
            assert.strictEqual(late._tag, "QuestionClosed")
            yield* eventually(runs, (rows) => rows[0]?.status === "RUNNING")
            yield* cancel((yield* runs)[0])
            yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          })
        )

        it.effect("a question that its run gave up before it was put is closed", () =>
          Effect.gen(function* () {
            const { post, questions, runs } = yield* conversation("asks in haste")
            yield* post("1")
            yield* eventually(questions, (rows) => rows[0]?.status === "EXPIRED")
            yield* eventually(runs, (rows) => rows[0]?.status === "RUNNING")
            yield* cancel((yield* runs)[0])
            yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          })
        )

        it.effect("the questions of a run that was cancelled are closed", () =>
          Effect.gen(function* () {
            const { post, questions, runs } = yield* conversation("asks twice at once")
            yield* post("1")
            yield* eventually(questions, (rows) => rows.length === 2)
            yield* cancel((yield* runs)[0])
            yield* eventually(questions, (rows) => rows.every(({ status }) => status === "EXPIRED"))
            yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          })
        )

        it.effect("an answer in the moment in which the time runs out counts for both or for neither", () =>
          Effect.forEach(
            Array.from({ length: 12 }, (_, index) => index),
            (index) =>
              Effect.gen(function* () {
                const { post, question, questions, runs, said } = yield* conversation("asks briefly")
                yield* post("1")
                const asked = yield* question.pipe(Effect.timeoutOption("5 seconds"))
                if (asked._tag === "None") return
                const left = (asked.value.expiresAt?.epochMilliseconds ?? 0) - Date.now()
                yield* Effect.sleep(Math.max(0, left + index - 6))
                const accepted = yield* Effect.result(answer(asked.value.id, "me"))
                yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
                const [row] = yield* questions
                const heard = (yield* said).find((words) => words.startsWith("heard"))
                if (accepted._tag === "Success") {
                  assert.strictEqual(row?.status, "ANSWERED")
                  assert.strictEqual(heard, "heard me")
                } else {
                  assert.strictEqual(accepted.failure._tag, "QuestionClosed")
                  assert.strictEqual(row?.status, "EXPIRED")
                  assert.strictEqual(heard, "heard nobody")
                }
              }),
            { concurrency: 4 }
          )
        )

        it.effect("the question of a run that a bug has stopped is closed", () =>
          Effect.gen(function* () {
            const { post, questions, runs } = yield* conversation("throws while it asks")
            yield* post("1")
            yield* eventually(runs, (rows) => rows[0]?.status === "FAILED")
            const [asked] = yield* eventually(questions, (rows) => rows[0]?.status === "EXPIRED")
            assert.strictEqual((yield* Effect.flip(answer(asked?.id ?? "", "me")))._tag, "QuestionClosed")
          })
        )

        it.effect("a question whose time never runs out is answered whenever it is", () =>
          Effect.gen(function* () {
            const { post, questions, runs, said } = yield* conversation("asks with time")
            yield* post("1")
            const asked = yield* eventually(questions, (rows) => rows.length === 3)
            for (const { id, prompt } of asked) yield* answer(id, `in ${prompt}`)
            yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
            assert.strictEqual((yield* said).at(-1), "in Infinity,in 200000000 days,in 400000 days")
          })
        )

        it.effect("a step that nobody waits for any longer is aborted, while its run goes on", () =>
          Effect.gen(function* () {
            const { post, runs } = yield* conversation("does without a step")
            yield* post("1")
            yield* eventually(runs, (rows) => rows.some(({ id }) => aborted.includes(id)))
            assert.deepStrictEqual(statuses(yield* runs), ["RUNNING"])
            yield* cancel((yield* runs)[0])
            yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          })
        )

        it.effect("a child that nobody waits for any longer is stopped, while its parent goes on", () =>
          Effect.gen(function* () {
            const { post, runs } = yield* conversation("does without a child")
            yield* post("1")
            const rows = yield* eventually(runs, (rows) => rows[1]?.status === "CANCELLED")
            assert.strictEqual(rows[0]?.status, "RUNNING")
            yield* cancel(rows[0])
            yield* eventually(runs, (rows) => rows[0]?.status === "CANCELLED")
          })
        )

        it.effect("a run that is cancelled stops its children", () =>
          Effect.gen(function* () {
            const { post, runs, thread } = yield* conversation("parent")
            yield* post("1")
            const rows = yield* eventually(runs, (rows) => rows.length === 2)
            yield* cancel(rows.find(({ parent }) => parent === undefined))
            yield* eventually(runs, (rows) => statuses(rows).join() === "CANCELLED,CANCELLED")
            assert.isUndefined(yield* activeRun(thread.id))
          })
        )

        const interrupted = Effect.gen(function* () {
          const { post, runs } = yield* conversation("stubborn", "interrupt")
          yield* post("1")
          yield* eventually(runs, (rows) => rows.length === 1)
          yield* post("2")
          yield* eventually(runs, (rows) => statuses(rows).join() === "CANCELLED,RUNNING")
        })

        const bereaved = Effect.fnUntraced(function* (agent: string) {
          const { post, runs, said } = yield* conversation(agent)
          yield* post("1")
          const rows = yield* eventually(runs, (rows) => rows.length === 2)
          yield* cancel(rows.find(({ parent }) => parent !== undefined))
          yield* eventually(runs, (rows) => statuses(rows).toSorted().join() === "CANCELLED,DONE")
          assert.strictEqual((yield* said).at(-1), "lost a child: cancelled")
        })

        it.effect("a parent is told that its child was cancelled", () => bereaved("parent"))

        // Both take as long as a run has to stop by itself.
        it.effect(
          "a run that takes no notice is interrupted by a message, or cancelled under its parent, all the same",
          () => Effect.all([interrupted, bereaved("parent of stubborn")], { concurrency: "unbounded" })
        )

        it.effect("one that is cancelled finishes what may not be interrupted, and begins nothing after that", () =>
          Effect.gen(function* () {
            const { post, runs } = yield* conversation("finishes what belongs together")
            yield* post("1")
            yield* eventually(
              Effect.sync(() => begun.get("one part")),
              (times) => times === 1
            )
            yield* cancel((yield* runs)[0])
            yield* eventually(runs, (rows) => statuses(rows).join() === "CANCELLED")
            const times = ["one part", "the other part", "something else"].map((part) => begun.get(part))
            assert.deepStrictEqual(times, [1, 1, undefined])
          })
        )

        const stopped = Effect.fnUntraced(function* (agent: string) {
          const { post, runs, thread } = yield* conversation(agent)
          const times = Effect.sync(() => begun.get(agent) ?? 0)
          yield* post("1")
          yield* eventually(times, (count) => count > 0)
          yield* Effect.sleep("200 millis")
          const [run] = yield* runs
          yield* cancel(run)
          yield* eventually(runs, (rows) => statuses(rows).every((status) => status === "CANCELLED"))
          assert.isUndefined(yield* activeRun(thread.id))
          const journal = yield* RunJournal
          const key = { tenantId: actor().tenantId, workflow: RunAgent.name, key: run?.id ?? "" }
          yield* eventually(
            journal.standing(key),
            (standing) => standing !== undefined && !isAlive(standing.status)
          ).pipe(Effect.timeout("5 seconds"))
          const before = yield* times
          yield* Effect.sleep("500 millis")
          assert.strictEqual(yield* times, before)
        })

        // All take as long as a run has to stop by itself.
        it.effect(
          "one that takes no notice of being cancelled ends all the same, and does nothing from then on",
          () => Effect.forEach(unstoppable, ({ name }) => stopped(name), { concurrency: "unbounded" }),
          60_000
        )

        it.effect("one that runs itself is told where that ends", () =>
          Effect.gen(function* () {
            const { post, runs, said } = yield* conversation("runs itself")
            yield* post("1")
            yield* eventually(runs, (rows) => rows.length === 17 && statuses(rows).every((status) => status === "DONE"))
            assert.deepStrictEqual(yield* said, [
              "1",
              "Agents run one another 16 deep at most, and this would be 17 deep."
            ])
          })
        )

        it.effect("a parent is told that its child has a bug", () =>
          Effect.gen(function* () {
            const { post, runs, said } = yield* conversation("parent of broken")
            yield* post("1")
            yield* eventually(runs, (rows) => statuses(rows).toSorted().join() === "DONE,FAILED")
            assert.isTrue((yield* said).some((words) => words.startsWith("lost a child: Something unexpected")))
          })
        )

        it.effect("messages that are posted within a moment are answered in their order, by one run each", () =>
          Effect.gen(function* () {
            const { messages, post, runs } = yield* conversation("echo")
            yield* Effect.forEach(
              Array.from({ length: 40 }, (_, index) => String(index)),
              (key) => post(key)
            )
            const rows = yield* eventually(
              runs,
              (rows) => rows.length === 40 && rows.every(({ status }) => status === "DONE")
            )
            const posted = (yield* messages).filter(({ content }) => content.type === "text" && content.text !== "echo")
            const ended = ({ updatedAt }: Run) => updatedAt.epochMilliseconds
            assert.deepStrictEqual(
              rows.toSorted((a, b) => ended(a) - ended(b)).map(({ messageId }) => messageId),
              posted.map(({ id }) => id)
            )
          })
        )

        it.effect("nobody posts in the name of an agent, or of somebody who answered", () =>
          Effect.gen(function* () {
            const { post, runs, thread } = yield* conversation("echo")
            yield* post("1")
            yield* eventually(runs, (rows) => rows[0]?.status === "DONE")
            for (const participantId of ["agent:echo", "person:someone", "agent:"]) {
              const content = Content.text("It was me.")
              const refused = yield* Effect.flip(
                Tenon.invoke(Thread.actions.addMessage, thread.id, { idempotencyKey: "2", participantId, content })
              )
              assert.isTrue(refused._tag === "NotYourName" || refused._tag === "NotFound", refused._tag)
            }
          })
        )

        it.effect("runs that are asked for again count among those that wait", () =>
          Effect.gen(function* () {
            const { post, runs } = yield* conversation("slow")
            yield* post("1")
            yield* cancel((yield* runs)[0])
            const [first] = yield* eventually(runs, (rows) => statuses(rows).join() === "CANCELLED")
            // One of them is the active one, and five are too many.
            yield* Effect.forEach(
              Array.from({ length: 1 + maxWaiting + 5 }),
              () => Tenon.invoke(AgentRun.actions.retry, first?.id ?? ""),
              { concurrency: 10 }
            )
            const rows = yield* eventually(runs, (rows) => rows.length === maxWaiting + 7)
            assert.strictEqual(rows.filter(({ status }) => status === "QUEUED").length, maxWaiting)
            assert.strictEqual(rows.filter(({ status }) => status === "CANCELLED").length, 1 + 5)
          })
        )

        it.effect("messages that are posted at once have a run each, and none is left waiting", () =>
          Effect.gen(function* () {
            const { post, runs, thread } = yield* conversation("echo")
            yield* Effect.forEach(
              Array.from({ length: 40 }, (_, index) => String(index)),
              (key) => post(key),
              { concurrency: "unbounded" }
            )
            const rows = yield* eventually(
              runs,
              (rows) => rows.length === 40 && rows.every(({ status }) => status === "DONE")
            )
            assert.strictEqual(new Set(rows.map(({ messageId }) => messageId)).size, 40)
            assert.isUndefined(yield* activeRun(thread.id))
          })
        )
      }
    )
  })
}
