/** A conversation with an example agent comes to the same end wherever its handlers crash on the way. */
import * as Agents from "@tenon/agents/Agents"
import { Question } from "@tenon/agents/Question"
import type { CurrentActor } from "@tenon/core/Actor"
import { Checkpoint, type Point } from "@tenon/core/Checkpoint"
import type { Interpreter } from "@tenon/core/Interpreter"
import * as Repository from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import { Payment, refund } from "@tenon/examples/agents/Refund"
import * as Research from "@tenon/examples/agents/Research"
import * as Weather from "@tenon/examples/agents/Weather"
import { CrashPoints } from "@tenon/testing/CrashPoints"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { conversation, eventually, registry } from "./agentDomain.ts"
import type { Infrastructure } from "./agentSuite.ts"

type Talk = Effect.Effect<unknown, unknown, Interpreter | Repository.Repository | CurrentActor>

const workflows = Workflow.layer(
  Agents.implement(Weather.weather, refund, Research.research, Research.researcher)
).pipe(Layer.provide([Weather.layerFixed, Research.layerFixed]))

/** What is left of a conversation when all of its runs are over. */
const talk = Effect.fnUntraced(function* (
  agent: string,
  words: string,
  answer?: { readonly [field: string]: boolean }
) {
  const { post, question, questions, runs, said } = yield* conversation(agent)
  yield* post("1", words)
  if (answer !== undefined) yield* Tenon.invoke(Question.actions.answer, (yield* question).id, { answer })
  const rows = yield* eventually(runs, (rows) => rows.length > 0 && rows.every(({ status }) => status === "DONE"))
  return {
    said: yield* said,
    runs: rows.map(({ agent, output }) => [agent, output ?? null]).toSorted(),
    questions: (yield* questions).map(({ answer, status }) => [status, answer ?? null])
  }
})

const talks: { readonly [name: string]: Talk } = {
  weather: talk("weather", "Graz", { send: true }),
  refund: Effect.gen(function* () {
    const repository = yield* Repository.Repository
    const { id } = yield* Tenon.invoke(Payment.actions.create, { cents: 4200 })
    const end = yield* talk("refund", id, { approve: true })
    return { ...end, said: end.said.slice(1), payment: (yield* repository.get(Payment, id)).status }
  }),
  research: talk("research", "bridges")
}

/**
 * At these points: in a step, a question, a child, a durable action and at the end. With TENON_FAULTS=1 everywhere,
 * which takes minutes.
 */
export const tellingPlaces = (...points: ReadonlyArray<Point>): ((place: string) => boolean) => {
  const telling = /^(\w+) (forecast|look up costs|Thread\.(ask|startChild|noteAnswer|endRun)|Payment\.refund) \(1\)/
  return (place) => process.env["TENON_FAULTS"] === "1" || points.some((point) => point === telling.exec(place)?.[1])
}

/** Declares the tests for an infrastructure, one per conversation. */
export const agentCrashes = (
  name: string,
  infrastructure: Infrastructure,
  chosen: (place: string) => boolean = () => true
) => {
  const points = new CrashPoints()
  /**
   * A conversation, and what is still done once its end is seen: places are counted, and must not be counted as
   * another's.
   */
  const settled = <A, E, R>(conversation: Effect.Effect<A, E, R>) =>
    Effect.tap(conversation, () => {
      let seen = -1
      const isQuiet = Effect.sync(() => points.passed.length === seen || ((seen = points.passed.length), false))
      return Effect.repeat(Effect.delay(isQuiet, "50 millis"), { until: (quiet) => quiet })
    })
  const layer = infrastructure(registry, { workflows }).pipe(
    Layer.provideMerge(Layer.succeed(Checkpoint, points.listen))
  )
  suite(layer, { timeout: 120_000, excludeTestServices: true })(`agents that crash ${name}`, (it) => {
    for (const [agent, conversation] of Object.entries(talks)) {
      const law = Effect.gen(function* () {
        points.begin()
        const calm = yield* settled(conversation)
        const places = points.passed.filter(chosen)
        assert.isAbove(points.passed.length, 10)
        assert.isAbove(places.length, 2)
        for (const place of places) {
          points.begin(place)
          const disturbed = yield* settled(conversation)
          assert.isTrue(points.crashed, place)
          assert.deepStrictEqual(disturbed, calm, place)
        }
      })
      it.effect(`${agent} comes to the same end`, () => law, 120_000)
    }
  })
}
