/** The order example under zero trust, as it is deployed: `tenon run`, a process for each activity, keys from files. */
import * as Order from "@tenon/examples/order/Order"
import * as ServicesSql from "@tenon/examples/order/ServicesSql"
import { Transport } from "@tenon/messaging/Transport"
import * as Encryption from "@tenon/routing-slip/Encryption"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as Keys from "@tenon/routing-slip/Keys"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Scratch from "../support/ScratchDatabase.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import { settled, story } from "../support/Slips.ts"
import * as SlipStore from "../support/SlipStore.ts"
import * as SlipTransport from "../support/SlipTransport.ts"
import * as InProcess from "../support/TenonInProcess.ts"
import * as TenonProcess from "../support/TenonProcess.ts"
import * as TokenEndpoint from "../support/TokenEndpoint.ts"

const mesh = join(TenonProcess.packages, "examples/src/order/SignedOrderMesh.ts")
const order = { customerId: "ada", cardToken: "card-token", amount: 100, itemId: "bolt", quantity: 2 }
const activities = Order.registry.activities.map(({ name }) => name)

/** A pair of keys for each activity, and one that begins slips, in files as an orchestrator mounts them. */
const keyFiles = Effect.gen(function* () {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tenon-signed-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const write = (name: string, value: unknown) => {
    writeFileSync(join(directory, name), JSON.stringify(value), { mode: 0o600 })
    return join(directory, name)
  }
  const issuer = yield* Keys.generate("issuer", "sig", { issues: true })
  const signing = yield* Effect.forEach(activities, (name) => Keys.generate(name, "sig", { activities: [name] }))
  const data = yield* Effect.forEach(activities, (name) => Keys.generate(`${name}-data`, "enc", { activities: [name] }))
  const keySet = { keys: [issuer, ...signing, ...data].map(({ publicKey }) => publicKey) }
  const own = {
    signing: Object.fromEntries(signing.map(({ privateKey }, index) => [activities[index], privateKey])),
    decryption: data.map(({ privateKey }) => privateKey)
  }
  const env = { SLIP_KEYS_FILE: write("keys.json", keySet), WORKER_KEYS_FILE: write("worker.json", own) }
  return { directory, env, issuer: issuer.privateKey, keySet }
})

it.live(
  "orders are signed, sealed and charged under the customer's authority; what is unsigned is not carried out",
  () =>
    Effect.gen(function* () {
      const { roles, url } = yield* SlipDatabase.make
      const { directory, env, issuer, keySet } = yield* keyFiles
      const endpoint = yield* TokenEndpoint.make
      yield* Effect.provide(ServicesSql.prepare, Scratch.clientAt(url))
      const query = (text: string) => Scratch.run(text).pipe(Effect.provide(Scratch.clientAt(url)), Effect.orDie)
      yield* query("insert into order_example.stock values ('bolt', 3)")
      const settings = {
        TRANSPORT: "postgres",
        DATABASE_URL: url,
        DATABASE_ROLE: roles.appRole,
        DATABASE_RELAY_ROLE: roles.relayRole
      }
      const run = yield* TenonProcess.start(["run", mesh], {
        ...settings,
        ...env,
        LOG_FORMAT: "line",
        TOKEN_ENDPOINT: endpoint.url,
        TOKEN_CLIENT_SECRET: "between-us"
      })
      yield* run.says(/INFO +ready/, 3)

      yield* Effect.gen(function* () {
        const sign = RoutingSlip.sign(SignedLog.issuer(yield* SignedLog.signer(issuer)))
        const seal = RoutingSlip.encrypt(yield* Effect.provide(Encryption.sealer, Keys.layer(keySet)))
        const dispatch = (quantity: number) =>
          Order.fulfil({ ...order, quantity }).pipe(
            RoutingSlip.onBehalfOf("token-of-ada"),
            sign,
            seal,
            RoutingSlip.dispatch
          )

        const well = yield* dispatch(2)
        assert.strictEqual((yield* settled(well))?.status, "completed")
        assert.deepStrictEqual(yield* story(well), ["dispatched 0", "executed 1", "executed 2", "executed 3"])
        assert.deepInclude(endpoint.asked[0]?.form, {
          subject_token: "token-of-ada",
          audience: "https://bank.example"
        })
        // What is undone is undone by the workload: the customer need not be there any more.
        const short = yield* dispatch(2)
        assert.strictEqual((yield* settled(short))?.status, "faulted")
        assert.deepStrictEqual(
          endpoint.asked.map(({ form }) => form["grant_type"]?.split(":").at(-1)),
          ["token-exchange", "client_credentials"]
        )

        const file = join(directory, "slip.json")
        const exported = yield* InProcess.tenon(["slip", "export", well.correlationId, "--out", file], settings)
        assert.strictEqual(exported.code, 0, exported.stderr)
        assert.notInclude(readFileSync(file, "utf8"), order.cardToken)
        const verified = yield* InProcess.tenon(["slip", "verify", file, "--keys", env.SLIP_KEYS_FILE, "--json"], {})
        assert.deepInclude(JSON.parse(verified.stdout), { proven: true, outcome: "completed" })

        const unsigned = yield* Order.fulfil({ ...order, quantity: 1 }).pipe(RoutingSlip.dispatch)
        const transport = yield* Transport
        const letters = transport.deadLetters(Order.chargeCard.queue)
        while ((yield* letters).length === 0) yield* Effect.sleep("50 millis")
        assert.deepStrictEqual(
          (yield* letters).map(({ reason }) => reason),
          ["unsigned"]
        )
        assert.deepStrictEqual(yield* story(unsigned), ["dispatched 0"])
        assert.strictEqual((yield* (yield* HopStore).slip("default", unsigned.correlationId))?.status, "executing")
      }).pipe(Effect.provide(Layer.merge(SlipTransport.over(url, roles), SlipStore.over(url, roles))))

      assert.deepStrictEqual(
        yield* query(`select (select count(*)::int from order_example.charges) as charges,
          (select count(*)::int from order_example.refunds) as refunds,
          (select quantity from order_example.stock) as left`),
        [{ charges: 2, refunds: 1, left: 1 }]
      )
      run.child.kill("SIGTERM")
      assert.strictEqual((yield* run.ended).code, 0)
      assert.notMatch(run.said.stderr, /token-of-ada|between-us|card-token/)
    }),
  120_000
)

it("is what the guide to the mesh shows", () => {
  const guide = readFileSync(join(TenonProcess.packages, "../docs/guide/mesh.md"), "utf8")
  const [, shown = "missing"] = /^## Zero trust\n.*?^```ts\n(.*?)^```$/ms.exec(guide) ?? []
  const bare = (text: string) => text.replace(/\s+/g, "")
  assert.include(bare(readFileSync(mesh, "utf8")), bare(shown))
})
