/** Slips that act for a user: under zero trust, on the test clock; the last over a token endpoint on this machine. */
import * as Activity from "@tenon/routing-slip/Activity"
import { ActivityContext } from "@tenon/routing-slip/ActivityContext"
import * as HopStoreMemory from "@tenon/routing-slip/HopStoreMemory"
import { HopStore, type SlipRecord } from "@tenon/routing-slip/HopStore"
import * as Keys from "@tenon/routing-slip/Keys"
import * as OnBehalfOf from "@tenon/routing-slip/OnBehalfOf"
import * as Reauthorisation from "@tenon/routing-slip/Reauthorisation"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as ScatterGather from "@tenon/routing-slip/ScatterGather"
import * as Security from "@tenon/routing-slip/Security"
import * as SignedLog from "@tenon/routing-slip/SignedLog"
import * as TokenExchange from "@tenon/routing-slip/TokenExchange"
import * as TokenExchangeHttp from "@tenon/routing-slip/TokenExchangeHttp"
import * as Verify from "@tenon/routing-slip/Verify"
import * as Wire from "@tenon/routing-slip/Wire"
import * as Worker from "@tenon/routing-slip/Worker"
import * as TransportMemory from "@tenon/messaging/TransportMemory"
import { Transport } from "@tenon/messaging/Transport"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as TestClock from "effect/testing/TestClock"
import { keys, type KeyRing, world } from "../support/SignedWorld.ts"
import { settled, story } from "../support/Slips.ts"
import * as TokenEndpoint from "../support/TokenEndpoint.ts"

const one = { tenantId: "default", correlationId: "one" }
const target = { audience: "https://payments.example" }

/** `alpha` calls others for the user, and so does its undoing for the workload; `beta` needs nobody. */
const mesh = () => {
  const did: Array<string> = []
  const state = { betaFails: false, betaTakes: 0, alphaIsTurnedAway: false }
  const alpha = Activity.make("alpha", {
    arguments: {},
    log: { amount: Schema.Finite },
    execute: () =>
      Effect.gen(function* () {
        const { current, identity } = yield* OnBehalfOf.AccessToken
        if (state.alphaIsTurnedAway) return yield* new TokenExchange.AuthorityExpired({ reason: "status 401" })
        did.push(`alpha as ${identity} by ${Redacted.value(yield* current)}`)
        return { amount: 1 }
      }),
    compensate: () =>
      Effect.gen(function* () {
        const { current, identity } = yield* OnBehalfOf.AccessToken
        const { oboToken } = yield* ActivityContext
        did.push(`undo alpha as ${identity} by ${Redacted.value(yield* current)}, ${String(oboToken)}`)
      })
  }).pipe(OnBehalfOf.exchange(target))
  const beta = Activity.make("beta", {
    arguments: {},
    execute: () =>
      Effect.suspend(() => {
        if (state.betaFails) return Effect.fail("no")
        did.push("beta")
        return Effect.sleep(state.betaTakes)
      })
  })
  return { did, state, alpha, beta, registry: Registry.make(alpha, beta) }
}
type Mesh = ReturnType<typeof mesh>

const digestOf = (token: string) =>
  TokenExchange.TokenExchange.pipe(
    Effect.flatMap((tokens) => tokens.exchange(Redacted.make(token), target)),
    Effect.map((issued) => Redacted.value(issued.token)),
    Effect.provide(TokenExchange.layerMemory())
  )

const statusOf = Effect.gen(function* () {
  return (yield* (yield* HopStore).slip("default", "one"))?.status
})

/** Lets a second pass. Keys are used outside of the test's clock, which is waited for. */
const pass = Effect.andThen(
  TestClock.adjust("1 second"),
  Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
)

/** The same until the slip stands so. */
const reach = Effect.fnUntraced(function* (status: SlipRecord["status"], atMost = 60) {
  for (let left = atMost; (yield* statusOf) !== status; left--) {
    if (left === 0) return assert.fail(`it is ${yield* statusOf} and not ${status}`)
    yield* pass
  }
})

/** Why the first message of alpha's queue that was set aside is there. */
const deadLetter = Effect.fnUntraced(function* ({ alpha }: Mesh) {
  const transport = yield* Transport
  for (let left = 60; left > 0; left--) {
    const [letter] = yield* transport.deadLetters(alpha.queue)
    if (letter !== undefined) return letter.reason
    yield* TestClock.adjust("1 second")
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
  }
  return undefined
})

/** Signs with one of the mesh's keys, and is told by `keySet` whether workers would accept that. */
const issuingOf = Effect.fnUntraced(function* (
  ring: KeyRing,
  by: "issuer" | "alpha" = "issuer",
  keySet: ReadonlyArray<Keys.PublicKey> = Object.values(ring).map(({ publicKey }) => publicKey)
) {
  const issuer = SignedLog.issuer(yield* SignedLog.signer(ring[by].privateKey))
  return { issuer, keys: yield* Effect.provide(Keys.Keys, Keys.layer({ keys: keySet })) }
})

const issuerOf = (ring: KeyRing) => Effect.map(SignedLog.signer(ring.issuer.privateKey), SignedLog.issuer)

const dispatch = Effect.fnUntraced(function* (
  { alpha, beta, registry }: Mesh,
  ring: KeyRing,
  token: string | undefined,
  change: (builder: RoutingSlip.Builder<"alpha" | "beta">) => RoutingSlip.Builder<"alpha" | "beta"> = (builder) =>
    builder
) {
  yield* RoutingSlip.builder(registry, one).pipe(
    RoutingSlip.add(alpha, {}),
    RoutingSlip.add(beta, {}),
    token === undefined ? (builder) => builder : RoutingSlip.onBehalfOf(token),
    RoutingSlip.sign(yield* issuerOf(ring)),
    change,
    RoutingSlip.dispatch
  )
})

const withWorker = <A, E, R>(
  { registry }: Mesh,
  ring: KeyRing,
  tokens: Layer.Layer<TokenExchange.TokenExchange>,
  body: Effect.Effect<A, E, R>
) => body.pipe(Effect.provide(Worker.layer(registry).pipe(Layer.provide(tokens), Layer.provideMerge(world(ring)))))

/** A world in which tokens that are `lapsed` are not accepted; `body` starts it. */
const on = (
  name: string,
  body: (mesh: Mesh, ring: KeyRing, lapsed: Set<string>) => Effect.Effect<void, unknown, any>
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const it = mesh()
      const lapsed = new Set<string>()
      const tokens = TokenExchange.layerMemory({ accepts: (subject) => !lapsed.has(Redacted.value(subject)) })
      yield* withWorker(it, ring, tokens, body(it, ring, lapsed)) as Effect.Effect<void, unknown>
    })
  )

describe("a slip on behalf of a user", () => {
  on("is carried out with tokens exchanged for each activity", (mesh, ring) =>
    Effect.gen(function* () {
      yield* dispatch(mesh, ring, "ada")
      yield* reach("completed")
      assert.deepStrictEqual(mesh.did, [`alpha as user by ${yield* digestOf("ada")}`, "beta"])
    })
  )

  on("is undone under the workload's identity, without the user's token", (mesh, ring) =>
    Effect.gen(function* () {
      mesh.state.betaFails = true
      yield* dispatch(mesh, ring, "ada")
      yield* reach("faulted")
      assert.deepStrictEqual(mesh.did, [
        `alpha as user by ${yield* digestOf("ada")}`,
        "undo alpha as workload by https://payments.example for the workload, undefined"
      ])
    })
  )

  on("is suspended once its token has expired, executes nothing, and goes on with a fresh one", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* dispatch(mesh, ring, "ada", RoutingSlip.lifetime("1 hour"))
      yield* reach("suspended")
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* statusOf, "suspended")
      assert.deepStrictEqual(mesh.did, [])
      assert.deepStrictEqual(yield* story(one), ["dispatched 0", "suspended 1"])
      const store = yield* HopStore
      assert.include((yield* store.events("default", "one"))[1]?.detail, "AuthorityExpired")

      // After its manifest has expired too: the fresh authority is what counts.
      yield* Reauthorisation.resume(one, {
        token: Redacted.make("ada again"),
        issuing: yield* issuingOf(ring),
        by: "operator"
      })
      assert.strictEqual(yield* statusOf, "executing")
      yield* reach("completed")
      assert.deepStrictEqual(mesh.did, [`alpha as user by ${yield* digestOf("ada again")}`, "beta"])
      const report = yield* Verify.verify((yield* store.slip("default", "one"))?.body ?? new Uint8Array())
      assert.deepStrictEqual(
        report.entries.map(({ kid, what }) => `${kid}: ${what}`),
        ["issuer: manifest", "issuer: reauthorised 1", "alpha: executed 1", "beta: executed 2"]
      )
    })
  )

  on("is suspended where it has no token at all, and where an activity is turned away with it", (mesh, ring) =>
    Effect.gen(function* () {
      yield* dispatch(mesh, ring, undefined)
      yield* reach("suspended")
      mesh.state.alphaIsTurnedAway = true
      const fresh = { token: Redacted.make("ada"), issuing: yield* issuingOf(ring), by: "operator" }
      yield* Reauthorisation.resume(one, fresh)
      yield* reach("suspended")
      mesh.state.alphaIsTurnedAway = false
      yield* Reauthorisation.resume(one, fresh)
      yield* reach("completed")
    })
  )

  on("that is suspended can be tried again as it is, once the issuer accepts its token", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* dispatch(mesh, ring, "ada")
      yield* reach("suspended")
      lapsed.clear()
      yield* (yield* HopStore).resume("default", "one")
      yield* reach("completed")
    })
  )

  on("that is suspended turns back at its deadline", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* dispatch(mesh, ring, "ada", RoutingSlip.within("1 hour"))
      yield* reach("suspended")
      yield* TestClock.adjust("58 minutes")
      assert.strictEqual(yield* statusOf, "suspended")
      yield* reach("faulted", 180)
      assert.deepStrictEqual(yield* story(one), ["dispatched 0", "suspended 1", "faulted 1"])
      assert.deepStrictEqual(mesh.did, [])
    })
  )

  on("that is suspended in the middle turns back once its manifest has expired", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* RoutingSlip.builder(mesh.registry, one).pipe(
        RoutingSlip.add(mesh.beta, {}),
        RoutingSlip.add(mesh.alpha, {}),
        RoutingSlip.onBehalfOf("ada"),
        RoutingSlip.lifetime("1 hour"),
        RoutingSlip.sign(yield* issuerOf(ring)),
        RoutingSlip.dispatch
      )
      yield* reach("suspended")
      yield* TestClock.adjust("58 minutes")
      assert.strictEqual(yield* statusOf, "suspended")
      yield* reach("faulted", 180)
      assert.deepStrictEqual(yield* story(one), ["dispatched 0", "executed 1", "suspended 2", "faulted 2"])
      assert.deepStrictEqual(mesh.did, ["beta"])
    })
  )

  on("that is suspended turns back at once where it is cancelled", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* dispatch(mesh, ring, "ada")
      yield* reach("suspended")
      yield* (yield* HopStore).cancel("default", "one", "operator")
      yield* reach("cancelled")
    })
  )

  it.effect("goes on with the fresh token that one of its branches was given, for as long as that is good", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const gather = yield* Keys.generate("gather", "sig", { activities: ["scatter-gather"] })
      const { alpha, beta, did, state } = mesh()
      const registry = Registry.make(alpha, beta, ScatterGather.activity)
      const tokens = TokenExchange.layerMemory({ accepts: (subject) => Redacted.value(subject) !== "ada" })
      const publicKeys = [gather, ...Object.values(ring)].map(({ publicKey }) => publicKey)
      const signing = {
        alpha: ring.alpha.privateKey,
        beta: ring.beta.privateKey,
        "scatter-gather": gather.privateKey
      }
      yield* Effect.gen(function* () {
        yield* RoutingSlip.builder(registry, one).pipe(
          RoutingSlip.scatter({
            a: [RoutingSlip.step(alpha, {}), RoutingSlip.step(beta, {})],
            b: [RoutingSlip.step(beta, {})]
          }),
          RoutingSlip.add(alpha, {}),
          RoutingSlip.onBehalfOf("ada"),
          RoutingSlip.lifetime("1 hour"),
          RoutingSlip.sign(yield* issuerOf(ring)),
          RoutingSlip.dispatch
        )
        yield* reach("suspended")
        while (!(yield* story(one)).includes("arrived 1.2")) yield* pass
        assert.deepStrictEqual(did, ["beta"])
        yield* TestClock.adjust("50 minutes")
        state.betaTakes = 20 * 60_000
        const issuing = yield* issuingOf(ring, "issuer", publicKeys)
        yield* Reauthorisation.resume(one, { token: Redacted.make("ada again"), issuing, by: "operator" })
        while (did.length < 3) yield* pass
        // When the branches are gathered, what the other one was begun with is over.
        yield* TestClock.adjust("20 minutes")
        yield* reach("completed")
        const as = `alpha as user by ${yield* digestOf("ada again")}`
        assert.deepStrictEqual(did, ["beta", as, "beta", as])
        const { entries } = yield* Verify.verify(
          (yield* (yield* HopStore).slip("default", "one"))?.body ?? new Uint8Array()
        )
        assert.include(
          entries.map(({ what }) => what),
          "reauthorised 1.1.1"
        )
      }).pipe(
        Effect.provide(
          Worker.layer(registry).pipe(
            Layer.provide(tokens),
            Layer.provideMerge(world(ring, signing, Keys.layer({ keys: publicKeys })))
          )
        )
      )
    })
  )

  on("takes its fresh token only from who may begin slips", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* dispatch(mesh, ring, "ada")
      yield* reach("suspended")
      const fresh = { token: Redacted.make("eve"), by: "eve" }
      assert.strictEqual((yield* Effect.flip(Reauthorisation.resume(one, fresh)))._tag, "IssuerNeeded")
      // Alpha's worker holds a key of the mesh, but not one that begins slips: nothing is sent that workers refuse.
      const issuing = yield* issuingOf(ring, "alpha")
      const refused = yield* Effect.flip(Reauthorisation.resume(one, { ...fresh, issuing }))
      assert.deepInclude(refused, { _tag: "NotReauthorised", reason: "not-authorised" })
      assert.strictEqual(yield* statusOf, "suspended")
      assert.deepStrictEqual(yield* story(one), ["dispatched 0", "suspended 1"])
      // Where she makes up a key set of her own, the workers' still counts.
      const made = [...Object.values(ring)].map(({ publicKey }) =>
        publicKey.kid === "alpha" ? { ...publicKey, tenon: { issues: true } } : publicKey
      )
      yield* Reauthorisation.resume(one, { ...fresh, issuing: yield* issuingOf(ring, "alpha", made) })
      assert.strictEqual(yield* deadLetter(mesh), "not-authorised")
      assert.deepStrictEqual(mesh.did, [])
    })
  )

  on("is not resumed with a token that would make its message larger than workers read", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* dispatch(mesh, ring, "ada")
      yield* reach("suspended")
      const issuing = yield* issuingOf(ring)
      const token = Redacted.make("a".repeat(1_100_000))
      const refused = yield* Effect.flip(Reauthorisation.resume(one, { token, issuing, by: "operator" }))
      assert.deepInclude(refused, { _tag: "NotReauthorised", reason: "too-large" })
      assert.strictEqual(yield* statusOf, "suspended")
    })
  )

  it.effect("is resumed without any key where nothing is signed", () => {
    const { alpha, did, registry } = mesh()
    const tokens = TokenExchange.layerMemory({ accepts: (subject) => Redacted.value(subject) === "ada again" })
    const around = Layer.mergeAll(TransportMemory.layer, HopStoreMemory.layer, Security.layerUnsigned)
    return Effect.gen(function* () {
      yield* RoutingSlip.builder(registry, one).pipe(
        RoutingSlip.add(alpha, {}),
        RoutingSlip.onBehalfOf("ada"),
        RoutingSlip.dispatch
      )
      yield* reach("suspended")
      yield* Reauthorisation.resume(one, { token: Redacted.make("ada again"), by: "operator" })
      yield* reach("completed")
      assert.deepStrictEqual(did, [`alpha as user by ${yield* digestOf("ada again")}`])
    }).pipe(Effect.provide(Worker.layer(registry).pipe(Layer.provide(tokens), Layer.provideMerge(around))))
  })

  on("that goes on is not mistaken for the message that was suspended", (mesh, ring, lapsed) =>
    Effect.gen(function* () {
      lapsed.add("ada")
      yield* dispatch(mesh, ring, "ada")
      yield* reach("suspended")
      const store = yield* HopStore
      const [old] = yield* store.suspended("default", "one")
      const fresh = { token: Redacted.make("ada again"), issuing: yield* issuingOf(ring), by: "operator" }
      const both = yield* Effect.all(
        [Effect.exit(Reauthorisation.resume(one, fresh)), Effect.exit(Reauthorisation.resume(one, fresh))],
        {
          concurrency: "unbounded"
        }
      )
      assert.deepStrictEqual(both.map(({ _tag }) => _tag).toSorted(), ["Failure", "Success"], "one of two")
      yield* reach("completed")
      assert.isDefined(old)
      if (old !== undefined) yield* (yield* Transport).publish(old.message)
      assert.strictEqual(yield* deadLetter(mesh), "forked")
      assert.strictEqual(mesh.did.length, 2, "what was done is not done again")
    })
  )

  /** A world whose token endpoint is down until it is `up`, and how often it was asked. */
  const onDown = (
    name: string,
    body: (mesh: Mesh, ring: KeyRing, endpoint: { asked: number; isUp: boolean }) => Effect.Effect<void, unknown, any>
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const ring = yield* keys
        const its = mesh()
        const endpoint = { asked: 0, isUp: false }
        const answer = Effect.suspend(() => {
          endpoint.asked++
          return endpoint.isUp
            ? Effect.succeed({ token: Redacted.make("a token"), expiresAt: undefined })
            : Effect.fail(new TokenExchange.ExchangeUnavailable({ reason: `status ${500 + endpoint.asked}` }))
        })
        const tokens = Layer.succeed(TokenExchange.TokenExchange, { exchange: () => answer, workload: () => answer })
        yield* withWorker(its, ring, tokens, body(its, ring, endpoint)) as Effect.Effect<void, unknown>
      })
    )

  onDown(
    "waits for a token endpoint that is down, which is no failure of the step; its deadline counts",
    (mesh, ring) =>
      Effect.gen(function* () {
        yield* dispatch(mesh, ring, "ada", RoutingSlip.within("3 minutes"))
        yield* reach("faulted", 400)
        const { headers } = yield* Wire.decode(
          (yield* (yield* HopStore).slip("default", "one"))?.body ?? new Uint8Array()
        )
        assert.strictEqual(headers.routing_slip.fault?.error, "DeadlineExceeded")
      })
  )

  onDown("asks a token endpoint that stays down less and less often, and tells of it once", (mesh, ring, endpoint) =>
    Effect.gen(function* () {
      const pass = Effect.fnUntraced(function* (minutes: number) {
        const before = endpoint.asked
        for (let left = minutes * 4; left > 0; left--) {
          yield* TestClock.adjust("15 seconds")
          yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
        }
        return endpoint.asked - before
      })
      yield* dispatch(mesh, ring, "ada")
      const first = yield* pass(2)
      assert.isAtLeast(first, 4, "soon at first")
      assert.isAtMost(first, 7)
      yield* pass(4)
      const later = yield* pass(20)
      assert.isAtLeast(later, 8)
      assert.isAtMost(later, 11, "every two minutes at most")
      assert.deepStrictEqual(yield* story(one), ["dispatched 0", "retrying 1"])
      endpoint.isUp = true
      yield* reach("completed", 150)
      assert.deepStrictEqual(yield* story(one), ["dispatched 0", "retrying 1", "executed 1", "executed 2"])
    })
  )

  it.effect("turns back where its issuer does not let the user do this", () =>
    Effect.gen(function* () {
      const ring = yield* keys
      const its = mesh()
      const no = new TokenExchange.AuthorityRefused({ reason: "invalid_target" })
      const tokens = Layer.succeed(TokenExchange.TokenExchange, { exchange: () => no, workload: () => no })
      yield* withWorker(
        its,
        ring,
        tokens,
        Effect.gen(function* () {
          yield* dispatch(its, ring, "ada")
          yield* reach("faulted")
          assert.deepStrictEqual(its.did, [])
        })
      )
    })
  )

  it.live("over a real token endpoint: suspended, resumed, and the exchanged token stored nowhere", () =>
    Effect.gen(function* () {
      const endpoint = yield* TokenEndpoint.make
      endpoint.lapsed.add("ada")
      const ring = yield* keys
      const its = mesh()
      const tokens = TokenExchangeHttp.layer({
        endpoint: endpoint.url,
        client: { id: "worker", secret: Redacted.make("secret") }
      }).pipe(Layer.provide(FetchHttpClient.layer))
      yield* withWorker(
        its,
        ring,
        tokens,
        Effect.gen(function* () {
          yield* dispatch(its, ring, "ada")
          assert.strictEqual((yield* settled(one))?.status, "suspended")
          const issuing = yield* issuingOf(ring)
          yield* Reauthorisation.resume(one, { token: Redacted.make("ada2"), issuing, by: "op" })
          const slip = yield* settled(one)
          assert.strictEqual(slip?.status, "completed")
          assert.deepStrictEqual(its.did, ["alpha as user by https://payments.example for ada2", "beta"])
          const kept = [
            new TextDecoder().decode(slip?.body),
            JSON.stringify(yield* (yield* HopStore).events("default", "one"))
          ].join()
          assert.notInclude(kept, "payments.example for")
        })
      )
    }).pipe(Effect.scoped)
  )
})
