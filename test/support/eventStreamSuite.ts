/** The tests of watching a run over HTTP, on whatever the run runs on. */
import * as Agent from "@tenon/agents/Agent"
import * as Agents from "@tenon/agents/Agents"
import * as Conversation from "@tenon/agents/Conversation"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import { Checkpoint } from "@tenon/core/Checkpoint"
import * as Workflow from "@tenon/core/Workflow"
import { CrashPoints } from "@tenon/testing/CrashPoints"
import { Validator } from "@seriousme/openapi-schema-validator"
import { assert, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { conversation, eventually } from "./agentDomain.ts"
import * as EventReader from "./EventReader.ts"
import { Api, jwt, layerOver, statuses } from "./HttpDomain.ts"
import { registry, type Watched } from "./modelSuite.ts"

const pieces = Array.from({ length: 30 }, (_, index) => `w${index} `)

const reader = Agent.make("reader", (ctx) =>
  Effect.gen(function* () {
    const { text } = yield* Conversation.run({ prompt: Conversation.fromHistory(yield* ctx.history) })
    yield* ctx.writeMessage(text)
  })
)

/** What a client shows that follows the rules: tokens by step, forgotten where it is told to. */
const shown = (seen: ReadonlyArray<EventReader.Seen>): string => {
  let text = ""
  for (const { data, event } of seen) {
    if (event === "reset" || event === "truncate") text = ""
    if (event === "token") text += String(data["text"])
  }
  return text
}

const numbers = (seen: ReadonlyArray<EventReader.Seen>) => seen.map(({ id }) => Number(id))
const upTo = (last: number | undefined) => Array.from({ length: last ?? 0 }, (_, index) => index + 1)

/** Declares the tests for an infrastructure. */
export const eventStreams = (name: string, infrastructure: Watched) => {
  const points = new CrashPoints()
  const model = ModelScripted.layer(() => ({ text: pieces, delay: "20 millis" }))
  const workflows = Workflow.layer(Agents.implement(reader)).pipe(Layer.provide(model))
  const layer = layerOver(
    infrastructure(registry, { workflows }).pipe(Layer.provideMerge(Layer.succeed(Checkpoint, points.listen))),
    // Shorter than any of the runs: who watches is not timed.
    { timeoutMillis: 400 },
    { ...jwt, rememberMillis: 0 }
  )
  suite(layer, { timeout: 60_000, excludeTestServices: true })(`watching a run ${name}`, (it) => {
    const begin = Effect.gen(function* () {
      const { post, runs } = yield* conversation("reader")
      yield* post("1", "read to me")
      const [run] = yield* eventually(runs, (rows) => rows.length > 0)
      const { admin, other, url } = yield* Api
      return { path: `${url}/api/v1/agent-runs/${run?.id ?? ""}/events`, admin, other }
    })

    it.effect("a client that is cut off goes on where it was, though the step began anew meanwhile", () =>
      Effect.gen(function* () {
        points.begin("executed model1 (1)")
        const { admin, path } = yield* begin
        const first = yield* Effect.promise(() =>
          EventReader.read(path, { token: admin, enough: (seen) => shown(seen).includes("w5") })
        )
        assert.isFalse(first.ended)
        assert.notInclude(shown(first.seen), "w29")
        const second = yield* Effect.promise(() =>
          EventReader.read(path, { token: admin, lastEventId: first.seen.at(-1)?.id ?? "" })
        )
        assert.isTrue(points.crashed)
        assert.isTrue(second.ended)
        const all = [...first.seen, ...second.seen]
        assert.deepStrictEqual(numbers(all), upTo(all.length))
        assert.strictEqual(all.filter(({ event }) => event === "truncate").length, 1)
        assert.strictEqual(shown(all), pieces.join(""))
        assert.deepStrictEqual(all.at(-1)?.data, { status: "DONE", over: true })
        const whole = yield* Effect.promise(() => EventReader.read(path, { token: admin }))
        assert.deepStrictEqual(whole.seen, all)
        const rest = yield* Effect.promise(() =>
          EventReader.read(path, { token: admin, lastEventId: String(all.length) })
        )
        assert.strictEqual(rest.status, 204)
      })
    )

    it.effect("a cursor that leads nowhere gives a reset and then everything", () =>
      Effect.gen(function* () {
        points.begin()
        const { admin, path } = yield* begin
        for (const lastEventId of ["nonsense", "999999", "-1"]) {
          const { seen } = yield* Effect.promise(() => EventReader.read(path, { token: admin, lastEventId }))
          assert.strictEqual(seen[0]?.event, "reset")
          assert.deepStrictEqual(numbers(seen.slice(1)), upTo(seen.length - 1))
          assert.strictEqual(shown(seen), pieces.join(""))
        }
      })
    )

    it.effect("only who may read the run may watch it", () =>
      Effect.gen(function* () {
        const { admin, other, path } = yield* begin
        assert.strictEqual((yield* Effect.promise(() => EventReader.read(path, { token: other }))).status, 404)
        assert.strictEqual((yield* Effect.promise(() => EventReader.read(path, {}))).status, 401)
        const nowhere = path.replace(/[^/]+\/events$/, "none/events")
        const { call } = yield* Api
        assert.strictEqual((yield* Effect.promise(() => EventReader.read(nowhere, { token: admin }))).status, 404)
        const described = yield* call("GET", "/openapi.json")
        assert.property(described.json.paths, "/api/v1/agent-runs/{id}/events")
        const { errors, valid } = yield* Effect.promise(() => new Validator().validate(described.json))
        assert.isTrue(valid, JSON.stringify(errors))
        const head = yield* Effect.promise(() =>
          fetch(path, { method: "HEAD", headers: { authorization: `Bearer ${admin}` } })
        )
        assert.deepStrictEqual([head.status, head.headers.get("content-type")], [200, "text/event-stream"])
      })
    )

    it.effect("who may no longer be let in is told no more", () =>
      Effect.gen(function* () {
        const { admin, path } = yield* begin
        const { ended, seen } = yield* Effect.promise(() =>
          EventReader.read(path, {
            token: admin,
            enough: (seen) => {
              if (shown(seen).includes("w5")) statuses.set("tenant-a", "suspended")
              return false
            }
          })
        )
        statuses.delete("tenant-a")
        assert.isTrue(ended)
        assert.notInclude(shown(seen), "w29")
      })
    )

    it.effect("twenty clients see the same", () =>
      Effect.gen(function* () {
        const { admin, path } = yield* begin
        const all = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => Effect.promise(() => EventReader.read(path, { token: admin })),
          { concurrency: "unbounded" }
        )
        for (const { seen } of all) assert.deepStrictEqual(seen, all[0]?.seen)
        assert.strictEqual(shown(all[0]?.seen ?? []), pieces.join(""))
      })
    )
  })
}
