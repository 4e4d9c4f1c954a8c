/** What the repository of slips has to do over any store: real workers on the memory transport, on the real clock. */
import { CurrentActor, type Actor } from "@tenon/core/Actor"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as Security from "@tenon/routing-slip/Security"
import * as SlipRepository from "@tenon/routing-slip/SlipRepository"
import type * as SlipView from "@tenon/routing-slip/SlipView"
import * as Worker from "@tenon/routing-slip/Worker"
import { assert, layer as suiteOf } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { settled } from "./Slips.ts"

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

/** How often undoing fails, by what was done. */
const stuck = new Set<string>()
/** What a held step waits for. */
const gates = new Map<string, Deferred.Deferred<void>>()

const does = Activity.make("does", {
  arguments: { what: Schema.String },
  log: { what: Schema.String },
  compensationRetry: { times: 0 },
  execute: Effect.fnUntraced(function* ({ what }) {
    const gate = gates.get(what)
    if (gate !== undefined) yield* Deferred.await(gate)
    return { what }
  }),
  compensate: ({ what }) => (stuck.has(what) ? Effect.fail(new Refusal({ why: `${what} is stuck` })) : Effect.void)
})

const fails = Activity.make("fails", {
  arguments: { secret: Schema.String },
  execute: () => Effect.fail(new Refusal({ why: "no" }))
})

const registry = Registry.make(does, fails, ScatterGather.activity)

/** Workers over a store, and the repository beside them. */
export const world = <E>(store: Layer.Layer<HopStore, E>) =>
  Worker.layer(registry, { relay: { interval: "30 millis", grace: "500 millis" } }).pipe(
    Layer.merge(SlipRepository.layer),
    Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, store, Security.layerUnsigned)),
    Layer.orDie
  )

export const actorOf = (tenantId: string, id = "ada"): Actor => ({ id, tenantId, kind: "user", roles: ["admin"] })

/** A slip of `does` for each word, and a failing step last where asked. */
export const send = (tenantId: string, words: ReadonlyArray<string>, turnsBack = false) => {
  const start = RoutingSlip.builder(registry, { tenantId })
  const done = words.reduce((builder, what) => builder.pipe(RoutingSlip.add(does, { what })), start)
  return (turnsBack ? done.pipe(RoutingSlip.add(fails, { secret: "hunter2" })) : done).pipe(RoutingSlip.dispatch)
}

/** A slip whose compensation of `what` is stuck. */
export const halted = Effect.fnUntraced(function* (tenantId: string, what: string) {
  stuck.add(what)
  const slip = yield* send(tenantId, [`${what} before`, what], true)
  assert.strictEqual((yield* settled(slip))?.status, "halted")
  return slip
})

/** A slip whose second step waits for `open`. */
export const held = Effect.fnUntraced(function* (tenantId: string, what: string) {
  const gate = yield* Deferred.make<void>()
  gates.set(what, gate)
  const slip = yield* send(tenantId, [`${what} before`, what, `${what} after`])
  return { ...slip, open: Deferred.succeed(gate, undefined) }
})

/** A slip of which one branch is stuck on its way back, while another goes forth once it is `open`. */
export const halfHalted = Effect.fnUntraced(function* (tenantId: string, what: string) {
  const gate = yield* Deferred.make<void>()
  gates.set(`${what} forth`, gate)
  stuck.add(what)
  const slip = yield* RoutingSlip.builder(registry, { tenantId }).pipe(
    RoutingSlip.scatter(
      {
        back: [RoutingSlip.step(does, { what }), RoutingSlip.step(fails, { secret: "hunter2" })],
        forth: [
          RoutingSlip.step(does, { what: `${what} forth` }),
          RoutingSlip.step(does, { what: `${what} never done` })
        ]
      },
      { gather: "any" }
    ),
    RoutingSlip.add(does, { what: `${what} never done either` }),
    RoutingSlip.dispatch
  )
  assert.strictEqual((yield* settled(slip))?.status, "halted")
  return { ...slip, open: Deferred.succeed(gate, undefined) }
})

/** A slip of which two branches are stuck on their way back, at the steps 1.1.1 and 1.2.1. */
export const twiceHalted = Effect.fnUntraced(function* (tenantId: string, what: string) {
  stuck.add(what)
  const branch = [RoutingSlip.step(does, { what }), RoutingSlip.step(fails, { secret: "hunter2" })] as const
  const slip = yield* RoutingSlip.builder(registry, { tenantId }).pipe(
    RoutingSlip.scatter({ one: branch, other: branch }),
    RoutingSlip.dispatch
  )
  const store = yield* HopStore
  const halts = Effect.map(store.events(tenantId, slip.correlationId), (events) =>
    events.filter(({ type }) => type === "halted")
  )
  for (let left = 500; left > 0 && (yield* halts).length < 2; left--) yield* Effect.sleep("20 millis")
  return slip
})

/** Has the compensation of `what` succeed from now on. */
export const unstick = (what: string) => Effect.sync(() => void stuck.delete(what))

const states = (view: SlipView.View) => view.path.map(({ activity, state, step }) => `${step} ${activity} ${state}`)

let tenants = 0

/** The laws. */
export const suite = <E>(name: string, store: Layer.Layer<HopStore, E>): void =>
  suiteOf(world(store), { excludeTestServices: true, timeout: "30 seconds" })(
    `a repository of slips over ${name}`,
    (it) => {
      const slips = SlipRepository.SlipRepository
      const inTenant =
        (tenantId: string, id?: string) =>
        <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.provideService(effect, CurrentActor, actorOf(tenantId, id))
      const newTenant = () => `tenant-${++tenants}`

      it.effect("shows the path of a slip with its times, its fault and what was undone, and no argument", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const { correlationId } = yield* Effect.tap(send(tenant, ["a", "b"], true), settled)
          const view = yield* inTenant(tenant)(repository.show(correlationId))
          assert.strictEqual(view.status, "faulted")
          assert.deepStrictEqual(states(view), ["1 does undone", "2 does undone", "3 fails faulted"])
          assert.deepInclude(view.fault, { step: "3", activity: "fails", error: "Refusal", message: "no" })
          const [first, second, third] = view.path
          assert.strictEqual(first?.sentAt, view.startedAt)
          assert.isAtLeast(second?.sentAt ?? 0, first?.endedAt ?? Number.POSITIVE_INFINITY)
          assert.isAtLeast(first?.undoneAt ?? 0, second?.undoneAt ?? Number.POSITIVE_INFINITY)
          assert.strictEqual(third?.problem, "Refusal: no")
          assert.deepStrictEqual(
            view.events.map(({ step, type }) => `${type} ${step}`),
            ["dispatched 0", "executed 1", "executed 2", "faulted 3", "compensated 2", "compensated 1"]
          )
          assert.notInclude(JSON.stringify(view), "hunter2")
        })
      )

      it.effect("shows what is at hand and what is left, and follows a slip to its end", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const slip = yield* held(tenant, `held ${tenant}`)
          const seen: Array<string> = []
          const watching = yield* repository.watch(slip.correlationId, { every: "20 millis" }).pipe(
            Stream.runForEach(({ step, type }) => Effect.sync(() => void seen.push(`${type} ${step}`))),
            inTenant(tenant),
            Effect.forkChild
          )
          while (seen.length < 2) yield* Effect.sleep("10 millis")
          const view = yield* inTenant(tenant)(repository.show(slip.correlationId))
          assert.strictEqual(view.status, "executing")
          assert.deepStrictEqual(states(view), ["1 does done", "2 does at hand", "3 does to do"])
          assert.isUndefined(watching.pollUnsafe(), "it is not over yet")
          yield* slip.open
          yield* Fiber.join(watching)
          assert.deepStrictEqual(seen, ["dispatched 0", "executed 1", "executed 2", "executed 3"])
        })
      )

      it.effect("has a halted compensation tried again, or skipped, by whoever asks", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const mended = yield* halted(tenant, `mended ${tenant}`)
          const view = yield* inTenant(tenant)(repository.show(mended.correlationId))
          assert.deepStrictEqual(states(view), ["1 does done", "2 does halted", "3 fails faulted"])
          assert.include(view.path[1]?.problem ?? "", "is stuck")
          yield* unstick(`mended ${tenant}`)
          yield* inTenant(tenant)(repository.resume(mended.correlationId))
          assert.strictEqual((yield* settled(mended))?.status, "faulted")
          assert.deepStrictEqual(states(yield* inTenant(tenant)(repository.show(mended.correlationId))), [
            "1 does undone",
            "2 does undone",
            "3 fails faulted"
          ])

          const skipped = yield* halted(tenant, `skipped ${tenant}`)
          yield* inTenant(tenant, "grace")(repository.skip(skipped.correlationId))
          assert.strictEqual((yield* settled(skipped))?.status, "faulted")
          const after = yield* inTenant(tenant)(repository.show(skipped.correlationId))
          assert.deepStrictEqual(states(after), ["1 does undone", "2 does kept", "3 fails faulted"])
          assert.deepInclude(
            after.events.find(({ type }) => type === "skipped"),
            { detail: "by grace" }
          )

          for (const steer of [repository.resume, repository.skip]) {
            assert.strictEqual((yield* inTenant(tenant)(Effect.flip(steer(skipped.correlationId))))._tag, "NotHalted")
          }
        })
      )

      it.effect("skips the step that is named where several are halted, and without a name none of them", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const what = `twice ${tenant}`
          const slip = yield* twiceHalted(tenant, what)
          const skip = (step?: string) => inTenant(tenant, "grace")(repository.skip(slip.correlationId, step))
          const unclear = yield* Effect.flip(skip())
          assert.deepInclude(unclear, { _tag: "SkipUnclear", halted: ["1.1.1", "1.2.1"] })
          assert.include(unclear.message, "Several steps")
          assert.include((yield* Effect.flip(skip("1"))).message, "Step 1 of the slip")
          yield* skip("1.2.1")
          const stepsNow = Effect.map(inTenant(tenant)(repository.show(slip.correlationId)), states)
          const until = Effect.fnUntraced(function* (state: string) {
            for (let left = 200; left > 0 && !(yield* stepsNow).includes(state); left--)
              yield* Effect.sleep("20 millis")
          })
          yield* until("1.2.1 does kept")
          assert.includeMembers([...(yield* stepsNow)], ["1.1.1 does halted", "1.2.1 does kept"])
          assert.strictEqual((yield* settled(slip))?.status, "halted", "the other still waits for an operator")
          yield* unstick(what)
          yield* inTenant(tenant)(repository.resume(slip.correlationId))
          yield* until("1.1.1 does undone")
          assert.includeMembers([...(yield* stepsNow)], ["1.1.1 does undone", "1.2.1 does kept"])
          assert.strictEqual((yield* settled(slip))?.status, "faulted")
        })
      )

      it.effect("cancels a slip on its way, once; one at its end not", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const slip = yield* held(tenant, `cancelled ${tenant}`)
          // Its first step is done by then, and there is something to undo.
          const isHeld = Effect.map(inTenant(tenant)(repository.show(slip.correlationId)), ({ path }) =>
            path.some(({ activity, state }) => activity === "does" && state === "done")
          )
          for (let left = 200; left > 0 && !(yield* isHeld); left--) yield* Effect.sleep("20 millis")
          yield* inTenant(tenant, "grace")(repository.cancel(slip.correlationId))
          yield* slip.open
          assert.strictEqual((yield* settled(slip))?.status, "cancelled")
          const view = yield* inTenant(tenant)(repository.show(slip.correlationId))
          assert.include(view.fault?.message, "grace")
          assert.deepInclude(view.path.at(0), { state: "undone" })
          const again = yield* inTenant(tenant)(Effect.flip(repository.cancel(slip.correlationId)))
          assert.strictEqual(again._tag, "NotCancellable")
        })
      )

      it.effect("cancels a slip that is halted: it goes on nowhere, and ends once that is decided", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const what = `half ${tenant}`
          const slip = yield* halfHalted(tenant, what)
          yield* inTenant(tenant, "grace")(repository.cancel(slip.correlationId))
          yield* slip.open
          const undone = Effect.map(inTenant(tenant)(repository.show(slip.correlationId)), ({ events }) =>
            events.some(({ step, type }) => step === "1.2.1" && type === "compensated")
          )
          for (let left = 200; left > 0 && !(yield* undone); left--) yield* Effect.sleep("20 millis")
          assert.isTrue(yield* undone, "the branch that went forth is undone meanwhile")
          assert.strictEqual((yield* settled(slip))?.status, "halted")
          yield* unstick(what)
          yield* inTenant(tenant)(repository.resume(slip.correlationId))
          const ended = (yield* settled(slip))?.status
          const view = yield* inTenant(tenant)(repository.show(slip.correlationId))
          assert.strictEqual(ended, "cancelled")
          assert.deepStrictEqual(states(view), [
            "1 scatter-gather faulted",
            "1.1.1 does undone",
            "1.1.2 fails faulted",
            "1.2.1 does undone",
            "1.2.2 does cancelled"
          ])
        })
      )

      it.effect("cancels a slip that is on its way back, which changes nothing; once it is over not", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const what = `back ${tenant}`
          const slip = yield* halted(tenant, what)
          const cancel = inTenant(tenant)(repository.cancel(slip.correlationId))
          yield* cancel
          assert.strictEqual((yield* settled(slip))?.status, "halted")
          const fresh = repository.reauthorise(slip.correlationId, Redacted.make("token"))
          assert.strictEqual((yield* inTenant(tenant)(Effect.flip(fresh)))._tag, "NotSuspended")
          yield* unstick(what)
          yield* inTenant(tenant)(repository.resume(slip.correlationId))
          assert.strictEqual((yield* settled(slip))?.status, "faulted")
          const over = yield* Effect.flip(cancel)
          assert.deepInclude(over, { _tag: "NotCancellable", status: "faulted" })
          assert.include(over.message, "it is over, and faulted")
        })
      )

      it.effect("lists by status and activity, page by page, each slip once", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const sent = yield* Effect.forEach(Array.from({ length: 7 }), (_, index) =>
            send(tenant, ["a"], index % 2 === 1)
          )
          yield* Effect.forEach(sent, (slip) => settled(slip))
          const found: Array<string> = []
          let after: string | undefined
          do {
            const page: SlipRepository.Page = yield* inTenant(tenant)(repository.list({ limit: 3, after }))
            found.push(...page.items.map(({ correlationId }) => correlationId))
            after = page.next ?? undefined
          } while (after !== undefined)
          assert.strictEqual(found.length, 7)
          assert.deepStrictEqual([...found].toSorted(), sent.map(({ correlationId }) => correlationId).toSorted())
          const faulted = yield* inTenant(tenant)(repository.list({ status: "faulted" }))
          assert.strictEqual(faulted.items.length, 3)
          assert.isNull(faulted.next)
          const bad = yield* inTenant(tenant)(Effect.flip(repository.list({ after: "nonsense", limit: 0 })))
          assert.strictEqual(bad._tag, "InvalidInput")
          assert.deepStrictEqual(bad._tag === "InvalidInput" ? bad.issues.map(({ path }) => path) : [], [
            "after",
            "limit"
          ])
        })
      )

      it.effect("knows nothing of another tenant's slips and does nothing to them", () =>
        Effect.gen(function* () {
          const tenant = newTenant()
          const repository = yield* slips
          const slip = yield* halted(tenant, `foreign ${tenant}`)
          const { correlationId } = slip
          const other = inTenant(newTenant())
          assert.deepStrictEqual((yield* other(repository.list({}))).items, [])
          const tries: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }, CurrentActor>> = [
            repository.show(correlationId),
            repository.resume(correlationId),
            repository.reauthorise(correlationId, Redacted.make("token")),
            repository.skip(correlationId),
            repository.cancel(correlationId),
            Stream.runDrain(repository.watch(correlationId))
          ]
          for (const each of tries) assert.strictEqual((yield* other(Effect.flip(each)))._tag, "NotFound")
          assert.strictEqual((yield* settled(slip))?.status, "halted")
        })
      )
    }
  )
