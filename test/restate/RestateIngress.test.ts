import * as Call from "@tenon/restate/Call"
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RestateIngress from "@tenon/restate/RestateIngress"
import * as SignedContext from "@tenon/restate/SignedContext"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { createServer } from "node:http"
import { type AddressInfo, connect as connectTo } from "node:net"

it.live("a call that is never answered is given up, and lets go of its connection", () =>
  Effect.gen(function* () {
    let open = 0
    const server = createServer((request) => {
      open++
      request.on("close", () => open--)
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () => Effect.sync(() => void server.close())
    )
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const ingress = yield* RestateIngress.make(url, ContextKeys.random(), "200 millis")
    const call = Call.ofInvocation(
      { resource: "Widget", action: "deactivate", key: "1", input: {}, actor: Testing.actor(), origin: "door" },
      { id: SignedContext.newId(), at: Date.now() }
    )
    const given = { oneWay: false, idempotencyKey: undefined }
    const failures = yield* Effect.forEach([1, 2, 3], () => Effect.flip(ingress.call(call, given)), {
      concurrency: "unbounded"
    })
    assert.deepStrictEqual(
      failures.map(({ _tag }) => _tag),
      ["Unavailable", "Unavailable", "Unavailable"]
    )
    yield* Effect.sleep(50)
    assert.strictEqual(open, 0)
  }).pipe(Effect.scoped)
)

it.live("a connection that does not come about is given up as well", () =>
  Effect.gen(function* () {
    const { connect, port } = yield* deaf
    yield* connect
    const ingress = yield* RestateIngress.make(`http://127.0.0.1:${port}`, ContextKeys.random(), "200 millis")
    assert.strictEqual((yield* Effect.flip(ingress.health))._tag, "Unavailable")
    const asked = ingress.isRunning({ service: "Run", key: "1" })
    const [took, failure] = yield* Effect.timed(Effect.flip(asked).pipe(Effect.timeout("3 seconds")))
    assert.strictEqual(failure._tag, "Unavailable")
    assert.isBelow(Duration.toMillis(took), 2_000)
  }).pipe(Effect.scoped)
)

/** A server that is stopped: the system accepts some connections for it, and lets the others wait. */
const deaf = Effect.gen(function* () {
  const program =
    "require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, function () {" +
    "console.log(this.address().port); process.kill(process.pid, 'SIGSTOP') })"
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  const port = yield* Effect.promise(
    () => new Promise<number>((resolve) => child.stdout.once("data", (line: Buffer) => resolve(Number(String(line)))))
  )
  const one = Effect.acquireRelease(
    Effect.sync(() => connectTo({ host: "127.0.0.1", port })),
    (socket) => Effect.sync(() => void socket.destroy())
  )
  /** Takes all places. */
  const connect = Effect.flatMap(one, (socket) => Effect.map(Effect.sleep(300), () => !socket.connecting)).pipe(
    Effect.repeat({ while: (connected) => connected })
  )
  return { connect, port }
})
