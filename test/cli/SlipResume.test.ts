/** A slip that waits for a fresh token of its user, and how an operator gives it one: by command and over HTTP. */
import * as SlipRoutes from "@tenon/cli/SlipRoutes"
import * as FreshToken from "@tenon/cli/FreshToken"
import * as AuditLog from "@tenon/core/AuditLog"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as Activity from "@tenon/routing-slip/Activity"
import { HopStore } from "@tenon/routing-slip/HopStore"
import * as Keys from "@tenon/routing-slip/Keys"
import * as OnBehalfOf from "@tenon/routing-slip/OnBehalfOf"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as SlipRepository from "@tenon/routing-slip/SlipRepository"
import * as TokenExchange from "@tenon/routing-slip/TokenExchange"
import * as Worker from "@tenon/routing-slip/Worker"
import * as Testing from "@tenon/testing/Testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Api, layerOver, registry as domain, token as credentials, workflows } from "../support/HttpDomain.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import * as SlipStore from "../support/SlipStore.ts"
import { settled } from "../support/Slips.ts"
import { packages, tenon } from "../support/TenonProcess.ts"

const directory = mkdtempSync(join(tmpdir(), "tenon-resume-"))
const fileIn = (name: string, content: string) => {
  const path = join(directory, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

/** Which tokens are accepted. */
const good = new Set<string>()
const seen: Array<string> = []

const pay = Activity.make("pay", {
  arguments: {},
  execute: () =>
    Effect.gen(function* () {
      seen.push(Redacted.value(yield* (yield* OnBehalfOf.AccessToken).current))
    })
}).pipe(OnBehalfOf.exchange({ audience: "https://payments.example" }))
const registry = Registry.make(pay)

interface Environment {
  readonly [name: string]: string
}
/** What the command line is told by its environment, and who begins slips. */
class Mesh extends Context.Service<
  Mesh,
  { readonly issuer: RoutingSlip.Issuer; readonly environment: Environment; readonly settings: Environment }
>()("test/Mesh") {}

const world = Layer.unwrap(
  Effect.gen(function* () {
    const { roles, url } = yield* SlipDatabase.make
    const issuer = yield* Keys.generate("issuer", "sig", { issues: true })
    const worker = yield* Keys.generate("pay", "sig", { activities: ["pay"] })
    const keySet = { keys: [issuer.publicKey, worker.publicKey] }
    const settings = {
      SLIP_ISSUER_KEY_FILE: fileIn("issuer.json", JSON.stringify(issuer.privateKey)),
      SLIP_KEYS_FILE: fileIn("keys.json", JSON.stringify(keySet))
    }
    fileIn("worker.json", JSON.stringify(worker.privateKey))
    const environment = {
      TRANSPORT: "postgres",
      DATABASE_URL: url,
      DATABASE_ROLE: roles.appRole,
      DATABASE_RELAY_ROLE: roles.relayRole
    }
    const mesh = { issuer: SignedLog.issuer(yield* SignedLog.signer(issuer.privateKey)), environment, settings }
    return Worker.layer(registry, { relay: { interval: "50 millis", grace: "1 second" } }).pipe(
      Layer.provide(TokenExchange.layerMemory({ accepts: (token) => good.has(Redacted.value(token)) })),
      Layer.provide(SecuritySigned.layer({ signing: worker.privateKey }).pipe(Layer.provide(Keys.layer(keySet)))),
      Layer.provideMerge(Layer.mergeAll(TransportMemory.layer, SlipStore.over(url, roles), Layer.succeed(Mesh, mesh)))
    )
  })
).pipe(Layer.orDie)

/** A slip that stands still, since its user's token is accepted no more. */
const suspended = Effect.fnUntraced(function* (tenantId: string) {
  const { issuer } = yield* Mesh
  const slip = yield* RoutingSlip.builder(registry, { tenantId }).pipe(
    RoutingSlip.add(pay, {}),
    RoutingSlip.onBehalfOf("lapsed"),
    RoutingSlip.sign(issuer),
    RoutingSlip.dispatch
  )
  assert.strictEqual((yield* settled(slip))?.status, "suspended")
  return slip
})

/** What is stored of a slip for people to read. */
const told = Effect.fnUntraced(function* ({ correlationId, tenantId }: RoutingSlip.Dispatched) {
  return JSON.stringify(yield* (yield* HopStore).events(tenantId, correlationId))
})

/** The command with something on its standard input. */
const fed = (input: string, args: ReadonlyArray<string>, env: Environment) =>
  Effect.promise(
    () =>
      new Promise<{ readonly code: number | null; readonly said: string }>((done) => {
        const child = spawn(process.execPath, [join(packages, "cli/src/main.ts"), ...args], {
          env: { ...process.env, ...env }
        })
        let said = ""
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += String(chunk)))
        child.once("close", (code) => done({ code, said }))
        child.stdin.end(input)
      })
  )

layer(world, { excludeTestServices: true, timeout: "60 seconds" })("a slip whose user's token has lapsed", (it) => {
  it.effect(
    "goes on with a fresh one from a file or standard input, which nobody is told",
    () =>
      Effect.gen(function* () {
        const { environment, settings } = yield* Mesh
        const env = { ...environment, ...settings }
        good.add("fresh-of-ada").add("fresh-of-bob")
        const first = yield* suspended("default")
        const file = fileIn("token.txt", "fresh-of-ada\n")
        const resumed = yield* tenon(
          ["slip", "resume", first.correlationId, "--token-file", file, "--by", "grace", "--json"],
          env
        )
        assert.strictEqual(resumed.code, 0, resumed.stderr)
        assert.strictEqual((yield* settled(first))?.status, "completed")
        const events = yield* told(first)
        assert.include(events, "grace")

        const second = yield* suspended("default")
        const fromInput = yield* fed("fresh-of-bob", ["slip", "resume", second.correlationId, "--token-file", "-"], env)
        assert.strictEqual(fromInput.code, 0, fromInput.said)
        assert.strictEqual((yield* settled(second))?.status, "completed")
        assert.strictEqual(seen.length, 2)
        for (const text of [resumed.stdout, resumed.stderr, events, fromInput.said, yield* told(second)]) {
          assert.notInclude(text, "fresh-of")
        }
        const over = yield* tenon(["slip", "resume", first.correlationId, "--token-file", file], env)
        assert.strictEqual(over.code, 1)
        assert.include(over.stderr, "it has no use for a token")
      }),
    60_000
  )

  it.effect(
    "stays suspended where nobody may sign, workers would refuse it, or there is no token",
    () =>
      Effect.gen(function* () {
        const { environment, settings } = yield* Mesh
        const slip = yield* suspended("default")
        const file = fileIn("other.txt", "fresh-of-eve")
        const tries: ReadonlyArray<readonly [file: string, env: Environment, says: string]> = [
          [file, {}, "is signed: only who holds a key that begins slips"],
          [file, { ...settings, SLIP_ISSUER_KEY_FILE: join(directory, "worker.json") }, "not-authorised"],
          [file, { ...settings, SLIP_ISSUER_KEY_FILE: file }, "does not hold a private Ed25519 key"],
          [file, { SLIP_ISSUER_KEY_FILE: settings["SLIP_ISSUER_KEY_FILE"] ?? "" }, "SLIP_KEYS_FILE"],
          [file, { ...settings, SLIP_KEYS_FILE: join(directory, "gone") }, "The key set"],
          [fileIn("empty.txt", "\n"), settings, "There must be one token"],
          [fileIn("two.txt", "one\ntwo"), settings, "There must be one token"],
          [join(directory, "gone"), settings, "cannot be read"]
        ]
        for (const [from, env, says] of tries) {
          const answer = yield* tenon(["slip", "resume", slip.correlationId, "--token-file", from], {
            ...environment,
            ...env
          })
          assert.strictEqual(answer.code, 1, says)
          assert.include(answer.stderr, says)
          assert.notInclude(answer.stdout + answer.stderr, "fresh-of")
        }
        assert.strictEqual((yield* settled(slip))?.status, "suspended")
      }),
    60_000
  )
})

/** The routes over the same store, with or without the issuer's key. */
const door = (signs: boolean) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { settings } = yield* Mesh
      const provider = ConfigProvider.layer(ConfigProvider.fromEnv({ env: signs ? settings : {} }))
      const issuing = FreshToken.layer.pipe(Layer.provide([NodeServices.layer, provider]))
      const routes = yield* SlipRoutes.make.pipe(
        Effect.provide([SlipRepository.layer.pipe(Layer.provide(issuing)), AuditLog.layerLog])
      )
      return layerOver(Testing.layer(domain, { workflows }), routes)
    })
  )

layer(Layer.provideMerge(door(true), world), { excludeTestServices: true, timeout: "60 seconds" })(
  "a slip whose user's token has lapsed, over HTTP",
  (it) => {
    const at = ({ correlationId }: RoutingSlip.Dispatched) => `/api/v1/slips/${correlationId}/resume`

    it.effect("goes on with a fresh one in the body", () =>
      Effect.gen(function* () {
        const { call, other } = yield* Api
        const slip = yield* suspended("tenant-a")
        good.add("fresh-of-cleo")
        const body = { token: "fresh-of-cleo" }
        const viewer = yield* Effect.promise(() => credentials("tenant-a", ["viewer"]))
        assert.strictEqual((yield* call("POST", at(slip), { body, token: viewer })).status, 403)
        assert.strictEqual((yield* call("POST", at(slip), { body, token: other })).status, 404)
        assert.strictEqual((yield* call("POST", at(slip), { body })).status, 204)
        assert.strictEqual((yield* settled(slip))?.status, "completed")
        assert.notInclude(yield* told(slip), "fresh-of")
        assert.strictEqual((yield* call("POST", at(slip), { body })).json.tag, "NotSuspended")
      })
    )

    it.effect("refuses what is no token, without quoting it", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const slip = yield* suspended("tenant-a")
        const bad = [
          "",
          "fresh-of two",
          "fresh-of\n",
          "fresh-of-é",
          "fresh-of".repeat(5_000),
          1,
          null,
          ["fresh-of"],
          {}
        ]
        for (const token of bad) {
          const answer = yield* call("POST", at(slip), { body: { token } })
          assert.strictEqual(answer.status, 400, JSON.stringify(token).slice(0, 30))
          assert.notInclude(answer.text, "fresh-of")
        }
        assert.strictEqual((yield* call("POST", at(slip), { body: { tokn: "fresh-of" } })).status, 400)
        assert.strictEqual((yield* call("POST", at(slip), { raw: "{" })).status, 400)
        assert.strictEqual((yield* call("POST", at(slip), { body: { token: "a".repeat(70_000) } })).status, 413)
        assert.strictEqual((yield* settled(slip))?.status, "suspended")
      })
    )
  }
)

layer(Layer.provideMerge(door(false), world), { excludeTestServices: true, timeout: "60 seconds" })(
  "a door without the issuer's key",
  (it) => {
    it.effect("says that it cannot give a signed slip a fresh token", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const slip = yield* suspended("tenant-a")
        const answer = yield* call("POST", `/api/v1/slips/${slip.correlationId}/resume`, { body: { token: "fresh" } })
        assert.deepInclude(answer.json, { status: 409, tag: "IssuerNeeded" })
        assert.strictEqual((yield* settled(slip))?.status, "suspended")
      })
    )
  }
)

afterAll(() => rmSync(directory, { recursive: true, force: true }))
