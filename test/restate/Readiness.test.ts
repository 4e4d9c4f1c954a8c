/** A process whose durable writes would fail is not ready. */
import * as ReadinessChecks from "@tenon/core/ReadinessChecks"
import * as ContextKeys from "@tenon/restate/ContextKeys"
import * as RuntimeRestate from "@tenon/restate/RuntimeRestate"
import * as FreePort from "@tenon/embedded/FreePort"
import { Widget } from "@tenon/examples/widget/Widget"
import * as Registry from "@tenon/core/Registry"
import * as Testing from "@tenon/testing/Testing"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { createServer } from "node:http"

const domain = Testing.layer(Registry.make({ resources: [Widget] }))

/** What a process says of the Restate at a port. */
const readiness = (port: number) =>
  Effect.flatMap(ReadinessChecks.ReadinessChecks, ({ run }) => run).pipe(
    Effect.provide(
      RuntimeRestate.layer({ ingressUrl: `http://127.0.0.1:${port}`, keys: ContextKeys.random() }).pipe(
        Layer.provideMerge(ReadinessChecks.layer),
        Layer.provide([FetchHttpClient.layer]),
        Layer.provide(domain)
      )
    )
  )

it.live("where nothing listens, or something that is not well, it is not ready", () =>
  Effect.gen(function* () {
    const port = yield* FreePort.one
    assert.deepStrictEqual(yield* readiness(port), [{ name: "restate", ready: false }])
    let status = 503
    const asked: Array<string | undefined> = []
    const server = createServer(({ url }, response) => {
      asked.push(url)
      response.writeHead(status).end()
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((done) => server.listen(port, "127.0.0.1", done))),
      () => Effect.sync(() => void server.close())
    )
    assert.deepStrictEqual(yield* readiness(port), [{ name: "restate", ready: false }])
    status = 200
    assert.deepStrictEqual(yield* readiness(port), [{ name: "restate", ready: true }])
    assert.deepStrictEqual(asked, ["/restate/health", "/restate/health"])
  }).pipe(Effect.scoped)
)
