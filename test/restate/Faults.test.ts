import * as NodeFs from "node:fs"
import * as NodePath from "node:path"
import * as Action from "@tenon/core/Action"
import { Checkpoint } from "@tenon/core/Checkpoint"
import * as Durable from "@tenon/core/Durable"
import { Unavailable } from "@tenon/core/Failure"
import * as Field from "@tenon/core/Field"
import * as Outcome from "@tenon/core/Outcome"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Resource from "@tenon/core/Resource"
import { Runtime } from "@tenon/core/Runtime"
import * as Tenon from "@tenon/core/Tenon"
import * as Workflow from "@tenon/core/Workflow"
import * as RestateAdmin from "@tenon/restate/RestateAdmin"
import { RestateEndpoint } from "@tenon/restate/RestateEndpoint"
import * as Testing from "@tenon/testing/Testing"
import * as TestingRestate from "@tenon/testing/TestingRestate"
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"

/** What goes wrong in handlers; a test sets it and mends it. */
const world = { buggy: true, breaks: "", down: 0, fail: 0, seen: new Array<string>(), replays: 0 }

const Item = Resource.make("Item", {
  fields: { id: Field.Id, box: Schema.String, position: Field.Position("box") },
  actions: () => ({})
})

const Box = Resource.make("Box", {
  durable: true,
  fields: { id: Field.Id, count: Schema.Int.pipe(Field.withDefault(0)) },
  actions: (on) => ({
    create: on.create({}),
    put: on.action({ output: Item.schema, touches: [Item] }, ({ self }) => Outcome.save(Item, { box: self.id })),
    bump: on.update({}, ({ self }) => {
      if (world.buggy) throw new Error("a bug in bump")
      return { ...self, count: self.count + 1 }
    }),
    poke: on.action({ touches: [Action.ref("Box", "bump", {})] }, ({ self }) =>
      Outcome.nothing.pipe(Outcome.send(Action.ref("Box", "bump", {}), self.id, {}))
    ),
    add: on.update({}, ({ self }) => ({ ...self, count: self.count + 1 }))
  })
})

const Job = Workflow.make("Job", { input: { kind: Schema.String }, signals: { go: Schema.String } })

const job = Workflow.implement(
  Job,
  Effect.fnUntraced(function* ({ kind }) {
    const durable = yield* Durable.Durable
    const say = (word: string) => world.seen.push(`${durable.key} ${word}`)
    world.replays++
    switch (kind) {
      case "promise":
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))
        say("never")
        return
      case "beside":
        // Waits for Restate and, beside it, for a timer of its own.
        yield* Effect.all(
          [durable.sleep("1 minute"), Effect.promise(() => new Promise((done) => setTimeout(done, 20)))],
          {
            concurrency: "unbounded"
          }
        )
        return
      case "poll": {
        const fiber = yield* Effect.forkChild(durable.step("work", Effect.sleep(5)))
        while (fiber.pollUnsafe() === undefined) yield* Effect.sleep(0)
        return
      }
      case "bug":
        if (world.buggy) throw new Error("a bug in the job")
        say("mended")
        return
      case "nested":
        yield* durable.step("outer", durable.sleep(1))
        return
      case "down":
        yield* durable.step(
          "service",
          Effect.suspend(() =>
            world.down-- > 0 ? Effect.fail(new Unavailable({ what: "The service" })) : Effect.succeed(null)
          )
        )
        say("up")
        return
      case "slow":
        yield* durable.step(
          "slow",
          Effect.sync(() => void say("begun")).pipe(
            Effect.andThen(Effect.sleep("1 second")),
            Effect.andThen(Effect.sync(() => void say("done")))
          )
        )
        return
      case "steps":
        for (const name of ["one", "two", "three", "four"]) {
          const work = Effect.andThen(
            Effect.sync(() => void say(name)),
            Effect.sleep("250 millis")
          )
          yield* durable.step(name, work)
        }
        return
      case "cancel":
        yield* durable.signal("go").pipe(
          Effect.onInterrupt(() =>
            durable.step(
              "clean up",
              Effect.sync(() => void say("cleaned up"))
            )
          )
        )
        return
      case "wait":
        yield* durable.step(
          "first",
          Effect.sync(() => void say("first"))
        )
        say(String(yield* durable.signal("go")))
    }
  })
)

const registry = Registry.make({ resources: [Box, Item], workflows: [Job] })

const domain = TestingRestate.layer(registry, Workflow.layer(job), { watch: "200 millis" })

const server = TestingRestate.layerServer({
  // Ten times faster than a server of one's own, so that retries and suspensions come soon.
  env: { RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT: "1s" }
})

const logged: Array<string> = []

const stack = domain.pipe(
  Layer.provideMerge(server),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provideMerge(
    Layer.succeed(Checkpoint, (point, what) =>
      point === "executed" && what === world.breaks ? Effect.die(new Error("a bug after the commit")) : Effect.void
    )
  ),
  Layer.provideMerge(Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))]))
)

const until = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  effect.pipe(
    Effect.flatMap((a) => (holds(a) ? Effect.succeed(a) : Effect.fail("not yet" as const))),
    Effect.retry({ times: 900, schedule: Schedule.spaced("50 millis") }),
    Effect.catch(() => Effect.die(new Error(`It never came to: ${what}`)))
  )

const start = (key: string, kind: string) =>
  Effect.flatMap(Runtime, (runtime) =>
    runtime.deliver(
      Testing.actor(),
      { _tag: "StartWorkflow", workflow: "Job", key, input: { kind }, delayMillis: 0 },
      key
    )
  )

const go = (key: string, word: string) =>
  Effect.flatMap(Runtime, (runtime) =>
    runtime.deliver(
      Testing.actor(),
      { _tag: "Signal", workflow: "Job", key, signal: "go", payload: word },
      `${key} ${word}`
    )
  )

/** Where invocations of a target stand, in Restate's own words. */
const standing = (target: string) =>
  Effect.flatMap(TestingRestate.TestRestate, ({ adminUrl }) =>
    RestateAdmin.query(adminUrl, `select id, status, completion_failure from sys_invocation where target = '${target}'`)
  )

/** Why an invocation failed, as its journal's events tell an operator. */
const reasons = (id: unknown) =>
  Effect.flatMap(TestingRestate.TestRestate, ({ adminUrl }) =>
    RestateAdmin.query(adminUrl, `select * from sys_journal_events where id = '${String(id)}'`)
  ).pipe(Effect.map((rows) => JSON.stringify(rows)))

/** The steps of an invocation whose results Restate has. */
const stepsOf = (id: unknown) =>
  Effect.flatMap(TestingRestate.TestRestate, ({ adminUrl }) =>
    RestateAdmin.query(
      adminUrl,
      `select entry_type from sys_journal where id = '${String(id)}' and entry_type = 'Notification: Run'`
    )
  )

const whenPaused = (target: string) =>
  Effect.map(
    until(`${target} paused`, standing(target), (rows) => rows.some(({ status }) => status === "paused")),
    (rows) => rows.find(({ status }) => status === "paused")!
  )

it.layer(stack, { timeout: 60_000, excludeTestServices: true })("faults on Restate", (it) => {
  it.effect("a bug in an action that a door waits for is its answer, and the object is free", () =>
    Effect.gen(function* () {
      const { id } = yield* Tenon.invoke(Box.actions.create)
      world.buggy = true
      logged.length = 0
      for (let time = 0; time < 2; time++) {
        const begun = Date.now()
        const exit = yield* Effect.exit(Tenon.invoke(Box.actions.bump, id))
        assert.isTrue(Exit.isFailure(exit) && Exit.hasDies(exit))
        assert.isBelow(Date.now() - begun, 3000)
      }
      const { adminUrl } = yield* TestingRestate.TestRestate
      const ended = yield* RestateAdmin.query(
        adminUrl,
        `select completion_failure from sys_invocation where target = 'Box/tenant-a/${id}/bump' and status = 'completed'`
      )
      assert.lengthOf(ended, 2)
      const told = logged.filter((each) => each.includes("a bug in bump"))
      assert.lengthOf(told, 2)
      for (const each of [`"action":"Box.bump"`, `"key":"${id}"`, `"tenant":"tenant-a"`]) assert.include(told[0], each)
      assert.strictEqual((yield* Tenon.invoke(Box.actions.add, id)).count, 1)
      world.buggy = false
      assert.strictEqual((yield* Tenon.invoke(Box.actions.bump, id)).count, 2)
    })
  )

  it.effect("a bug that comes after the commit does not hide that it was done", () =>
    Effect.gen(function* () {
      const repository = yield* Repository.Repository
      const { id } = yield* Tenon.invoke(Box.actions.create)
      world.breaks = "Box.add"
      const added = yield* Effect.ensuring(
        Tenon.invoke(Box.actions.add, id),
        Effect.sync(() => (world.breaks = ""))
      )
      assert.strictEqual(added.count, 1)
      assert.strictEqual((yield* repository.get(Box, id)).count, 1)
    })
  )

  it.effect("a bug in an action that was sent pauses its invocation for an operator, and the work is not lost", () =>
    Effect.gen(function* () {
      const { adminUrl } = yield* TestingRestate.TestRestate
      const repository = yield* Repository.Repository
      const { id } = yield* Tenon.invoke(Box.actions.create)
      world.buggy = true
      logged.length = 0
      yield* Tenon.invoke(Box.actions.poke, id)
      const paused = yield* whenPaused(`Box/tenant-a/${id}/bump`)
      assert.include(yield* reasons(paused["id"]), "a bug in bump")
      const told = logged.filter((each) => each.includes("a bug in bump"))
      assert.lengthOf(told, 1)
      assert.include(told[0], `restate invocations resume ${String(paused["id"])}`)
      world.buggy = false
      yield* RestateAdmin.resume(adminUrl, String(paused["id"]))
      yield* until("bumped", repository.get(Box, id), ({ count }) => count === 1)
    })
  )

  it.effect("a bug in a workflow's program pauses its run, which goes on when it is mended", () =>
    Effect.gen(function* () {
      const { adminUrl } = yield* TestingRestate.TestRestate
      world.buggy = true
      yield* start("bug", "bug")
      const paused = yield* whenPaused("Job/tenant-a/bug/run")
      assert.include(yield* reasons(paused["id"]), "a bug in the job")
      const told = logged.filter((each) => each.includes("a bug in the job"))
      assert.lengthOf(told, 1)
      assert.include(told[0], `restate invocations resume ${String(paused["id"])}`)
      world.buggy = false
      yield* RestateAdmin.resume(adminUrl, String(paused["id"]))
      yield* until(
        "mended",
        Effect.sync(() => world.seen),
        (seen) => seen.includes("bug mended")
      )
    })
  )

  it.effect("a program that waits for what is not durable is told so", () =>
    Effect.gen(function* () {
      for (const kind of ["promise", "beside", "nested"]) {
        yield* start(kind, kind)
        const paused = yield* whenPaused(`Job/tenant-a/${kind}/run`)
        assert.include(yield* reasons(paused["id"]), "something that is not durable")
      }
    })
  )

  // It takes three times two seconds of the processor's time, which others may have.
  it.effect(
    "a program that goes round without waiting keeps nobody from working, and is told so",
    () =>
      Effect.gen(function* () {
        yield* start("poll", "poll")
        yield* Effect.sleep(500)
        const { id } = yield* Tenon.invoke(Box.actions.create)
        const [took] = yield* Effect.timed(Tenon.invoke(Box.actions.add, id))
        assert.isBelow(Duration.toMillis(took), 1500)
        const paused = yield* whenPaused("Job/tenant-a/poll/run")
        assert.include(yield* reasons(paused["id"]), "without waiting")
      }),
    60_000
  )

  it.effect("a service that is down is waited for, longer than a bug is tried", () =>
    Effect.gen(function* () {
      world.down = 7
      yield* start("down", "down")
      yield* until(
        "up",
        Effect.sync(() => world.seen),
        (seen) => seen.includes("down up")
      )
    })
  )

  it.effect("a cancelled run is interrupted, and its finalizers still take steps", () =>
    Effect.gen(function* () {
      const { adminUrl } = yield* TestingRestate.TestRestate
      yield* start("cancel", "cancel")
      const target = "Job/tenant-a/cancel/run"
      const [row] = yield* until("waiting", standing(target), (rows) => rows.length > 0)
      yield* Effect.sleep(200)
      yield* RestateAdmin.cancel(adminUrl, String(row!["id"]))
      yield* until("completed", standing(target), (rows) => rows.some(({ status }) => status === "completed"))
      assert.include(world.seen, "cancel cleaned up")
    })
  )

  it.effect("a run that waits is suspended, survives Restate's end, and goes on where it was", () =>
    Effect.gen(function* () {
      const restate = yield* TestingRestate.TestRestate
      yield* start("wait", "wait")
      const target = "Job/tenant-a/wait/run"
      yield* until(
        "first",
        Effect.sync(() => world.seen),
        (seen) => seen.includes("wait first")
      )
      // A step that is not in the journal yet is done again, and rightly so.
      const [run] = yield* standing(target)
      yield* until("journaled", stepsOf(run?.["id"]), (steps) => steps.length > 0)
      yield* restate.kill
      yield* restate.restart
      yield* go("wait", "on")
      yield* until(
        "on",
        Effect.sync(() => world.seen),
        (seen) => seen.includes("wait on")
      )
      assert.lengthOf(
        world.seen.filter((each) => each === "wait first"),
        1
      )
      yield* until("completed", standing(target), (rows) => rows.some(({ status }) => status === "completed"))
    })
  )

  it.effect("calls that meet a killed Restate are made again, and done once", () =>
    Effect.gen(function* () {
      const restate = yield* TestingRestate.TestRestate
      const { id } = yield* Tenon.invoke(Box.actions.create)
      const calls = yield* Effect.forkScoped(
        Effect.all(
          Array.from({ length: 40 }, (_, index) =>
            Effect.delay(Effect.exit(Tenon.invoke(Box.actions.add, id)), index * 10)
          ),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.sleep(150)
      yield* restate.kill
      yield* restate.restart
      const exits = yield* Fiber.join(calls)
      const repository = yield* Repository.Repository
      const answered = exits.filter((exit) => exit._tag === "Success").length
      assert.strictEqual(answered, 40)
      assert.strictEqual((yield* repository.get(Box, id)).count, 40)
    }).pipe(Effect.scoped)
  )

  it.effect("where Restate loses all its data, the same objects go on, and positions continue", () =>
    Effect.gen(function* () {
      const restate = yield* TestingRestate.TestRestate
      const endpoint = yield* RestateEndpoint
      const { id } = yield* Tenon.invoke(Box.actions.create)
      const put = Tenon.invoke(Box.actions.put, id)
      assert.strictEqual((yield* put).position, 1)
      assert.strictEqual((yield* put).position, 2)
      yield* restate.stop
      for (const name of NodeFs.readdirSync(restate.baseDir)) {
        const path = NodePath.join(restate.baseDir, name)
        if (NodeFs.statSync(path).isDirectory()) NodeFs.rmSync(path, { recursive: true })
      }
      yield* restate.restart
      // By itself the endpoint is back within its watch; nothing else is needed.
      const third = yield* put.pipe(Effect.retry({ times: 100, schedule: Schedule.spaced("100 millis") }))
      assert.strictEqual(third.position, 3)
      assert.isAbove(endpoint.port, 0)
    })
  )
})

it.live(
  "an endpoint that ends in the middle of a step is replaced by the next, which does the step again",
  () =>
    Effect.gen(function* () {
      const seen = (word: string) =>
        Effect.map(
          Effect.sync(() => world.seen),
          (all) => all.filter((each) => each === `slow ${word}`).length
        )
      const port = yield* Effect.gen(function* () {
        yield* start("slow", "slow")
        yield* until("begun", seen("begun"), (count) => count === 1)
        return (yield* RestateEndpoint).port
      }).pipe(Effect.provide(TestingRestate.layer(registry, Workflow.layer(job), { drain: "100 millis" })))
      assert.strictEqual(yield* seen("done"), 0)
      yield* until("done", seen("done"), (count) => count === 1).pipe(
        Effect.provide(TestingRestate.layer(registry, Workflow.layer(job), { port }))
      )
      assert.strictEqual(yield* seen("begun"), 2)
    }).pipe(Effect.provide(server.pipe(Layer.merge(FetchHttpClient.layer)))),
  60_000
)

it.live(
  "an endpoint that ends lets runs end that are at work, and waits for none that only waits",
  () =>
    Effect.gen(function* () {
      world.seen = []
      const seen = (word: string) =>
        Effect.map(
          Effect.sync(() => world.seen),
          (all) => all.includes(word)
        )
      const ending = yield* Effect.gen(function* () {
        yield* start("patient", "wait")
        yield* until("waiting", seen("patient first"), (has) => has)
        yield* start("busy", "slow")
        yield* until("begun", seen("busy begun"), (has) => has)
        yield* start("many", "steps")
        yield* until("begun", seen("many one"), (has) => has)
        return Date.now()
      }).pipe(Effect.provide(TestingRestate.layer(registry, Workflow.layer(job), { drain: "20 seconds" })))
      assert.isTrue(yield* seen("busy done"))
      const steps = world.seen.filter((each) => each.startsWith("many"))
      assert.deepStrictEqual(
        steps,
        ["one", "two", "three", "four"].map((name) => `many ${name}`)
      )
      assert.isBelow(Date.now() - ending, 10_000)
    }).pipe(
      // Left to itself, the server would keep a stream open for each run that waits.
      Effect.provide(TestingRestate.layerServer().pipe(Layer.merge(FetchHttpClient.layer)))
    ),
  60_000
)
