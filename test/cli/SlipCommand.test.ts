/** The commands of `tenon slip` as a person or a script uses them, against a real database and real brokers. */
import * as Field from "@tenon/core/Field"
import * as TransportRedis from "@tenon/messaging/TransportRedis"
import * as Transport from "@tenon/messaging/Transport"
import * as Activity from "@tenon/routing-slip/Activity"
import * as Registry from "@tenon/routing-slip/Registry"
import * as RoutingSlip from "@tenon/routing-slip/RoutingSlip"
import * as Security from "@tenon/routing-slip/Security"
import * as Worker from "@tenon/routing-slip/Worker"
import { afterAll, assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deleteStreams, listens, redisUrl } from "../support/Brokers.ts"
import * as SignedWorld from "../support/SignedWorld.ts"
import * as SlipDatabase from "../support/SlipDatabase.ts"
import { settled } from "../support/Slips.ts"
import * as SlipStore from "../support/SlipStore.ts"
import * as SlipTransport from "../support/SlipTransport.ts"
import * as InProcess from "../support/TenonInProcess.ts"
import { tenon } from "../support/TenonProcess.ts"

const onRedis = await listens(redisUrl)
const prefix = `tenon-slip-command-${process.pid}-`
const directory = mkdtempSync(join(tmpdir(), "tenon-slip-"))

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {
  override get message() {
    return "it cannot be undone yet"
  }
}

/** It has no sentence of its own. */
class NoStock extends Schema.TaggedError<NoStock>()("NoStock", {
  sku: Schema.String,
  left: Schema.Int,
  card: Schema.String.pipe(Field.sensitive)
}) {}

/** Whether undoing works. */
let mended = false

const book = Activity.make("book", {
  arguments: { card: Schema.String },
  log: { booked: Schema.Boolean },
  compensationRetry: { times: 0 },
  execute: () => Effect.succeed({ booked: true }),
  compensate: () => (mended ? Effect.void : Effect.fail(new Refusal()))
})
const ship = Activity.make("ship", {
  arguments: { well: Schema.Boolean },
  execute: ({ well }) => (well ? Effect.void : Effect.fail("no"))
})
const take = Activity.make("take", {
  arguments: { sku: Schema.String },
  execute: ({ sku }) => Effect.fail(new NoStock({ sku, left: 2, card: "4242-secret" }))
})
const registry = Registry.make(book, ship, take)

/** What the command line is told by its environment. */
class Settings extends Context.Service<Settings, { readonly [name: string]: string }>()("test/Settings") {}

interface Broker {
  readonly name: string
  readonly env: { readonly [name: string]: string }
  readonly transport: (url: string, roles: SlipStore.Roles) => Layer.Layer<Transport.Transport, unknown>
  readonly runs: boolean
}

const brokers: ReadonlyArray<Broker> = [
  { name: "PostgreSQL", env: { TRANSPORT: "postgres" }, transport: SlipTransport.over, runs: true },
  {
    name: "Redis",
    env: { TRANSPORT: "redis", REDIS_URL: redisUrl, TRANSPORT_PREFIX: prefix },
    transport: () => TransportRedis.layer({ url: redisUrl, prefix }),
    runs: onRedis
  }
]

const world = ({ env, transport }: Broker) =>
  Layer.unwrap(
    Effect.map(SlipDatabase.make, ({ roles, url }) =>
      Worker.layer(registry, { relay: { interval: "50 millis", grace: "1 second" } }).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            transport(url, roles),
            SlipStore.over(url, roles),
            Security.layerUnsigned,
            Layer.succeed(Settings, {
              ...env,
              DATABASE_URL: url,
              DATABASE_ROLE: roles.appRole,
              DATABASE_RELAY_ROLE: roles.relayRole
            })
          )
        )
      )
    )
  ).pipe(Layer.orDie)

const slip = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  return yield* InProcess.tenon(["slip", ...args], yield* Settings)
})

/** The same in a process of its own. */
const typed = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  return yield* tenon(["slip", ...args], yield* Settings)
})

const dispatch = (well: boolean) =>
  RoutingSlip.builder(registry).pipe(
    RoutingSlip.add(book, { card: "4242-secret" }),
    RoutingSlip.add(ship, { well }),
    RoutingSlip.dispatch
  )

const suite = (broker: Broker) =>
  layer(world(broker), { excludeTestServices: true, timeout: "60 seconds" })("tenon slip", (it) => {
    it.effect(
      "lists, shows and follows slips",
      () =>
        Effect.gen(function* () {
          const well = yield* dispatch(true)
          assert.strictEqual((yield* settled(well))?.status, "completed")
          const listed = yield* typed("list", "--status", "completed", "--json")
          assert.strictEqual(listed.code, 0, listed.stderr)
          assert.deepInclude(JSON.parse(listed.stdout).items[0], {
            correlationId: well.correlationId,
            status: "completed"
          })
          const shown = yield* slip("show", well.correlationId)
          assert.match(shown.stdout, /^1 +book +done +\d+ ms$/m)
          assert.notInclude(shown.stdout, "4242-secret")
          const watched = yield* slip("watch", well.correlationId, "--json")
          assert.strictEqual(watched.code, 0, watched.stderr)
          const lines = watched.stdout
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line))
          assert.deepStrictEqual(
            lines.map(({ status, type }) => type ?? status),
            ["dispatched", "executed", "executed", "completed"]
          )
          const foreign = yield* typed("show", well.correlationId, "--tenant", "other")
          assert.strictEqual(foreign.code, 1)
          assert.include(foreign.stderr, "There is no Slip")
        }),
      60_000
    )

    it.effect("shows what a failure without a sentence has in its fields, but for the sensitive ones", () =>
      Effect.gen(function* () {
        const bad = yield* RoutingSlip.builder(registry).pipe(
          RoutingSlip.add(take, { sku: "lid" }),
          RoutingSlip.dispatch
        )
        assert.strictEqual((yield* settled(bad))?.status, "faulted")
        const { stdout } = yield* slip("show", bad.correlationId)
        assert.match(stdout, /^fault: +NoStock at take: sku: "lid", left: 2$/m)
        assert.match(stdout, /^1 +take +faulted .*NoStock: sku: "lid", left: 2$/m)
        const json = yield* slip("show", bad.correlationId, "--json")
        assert.strictEqual(JSON.parse(json.stdout).fault.message, 'sku: "lid", left: 2')
        assert.notInclude(stdout + json.stdout, "4242-secret")
      })
    )

    it.effect(
      "resumes a halted slip, follows it to its bad end, and refuses what makes no sense",
      () =>
        Effect.gen(function* () {
          mended = false
          const bad = yield* dispatch(false)
          assert.strictEqual((yield* settled(bad))?.status, "halted")
          const { stdout } = yield* slip("show", bad.correlationId)
          assert.match(stdout, /^1 +book +halted +\d+ ms +1 +Refusal: it cannot be undone yet$/m)
          const cancelled = yield* slip("cancel", bad.correlationId)
          assert.strictEqual(cancelled.code, 0, cancelled.stderr)
          assert.include(cancelled.stdout, "What is halted still needs resume or skip.")
          const unclear = yield* slip("skip", bad.correlationId, "--step", "2")
          assert.strictEqual(unclear.code, 1)
          assert.include(unclear.stderr, "is not halted. Halted: 1.")
          mended = true
          const resumed = yield* slip("resume", bad.correlationId, "--by", "grace")
          assert.strictEqual(resumed.code, 0, resumed.stderr)
          const watched = yield* slip("watch", bad.correlationId)
          assert.strictEqual(watched.code, 1)
          assert.include(watched.stderr, "is faulted")
          assert.match(watched.stdout, /compensated +1 book/)
          assert.strictEqual((yield* slip("skip", bad.correlationId)).code, 1)
          const late = yield* slip("cancel", bad.correlationId)
          assert.strictEqual(late.code, 1)
          assert.include(late.stderr, "cannot be cancelled: it is over, and faulted")
        }),
      60_000
    )

    it.effect(
      "skips a compensation that cannot be done, and shows what was kept and by whose word",
      () =>
        Effect.gen(function* () {
          mended = false
          const bad = yield* dispatch(false)
          assert.strictEqual((yield* settled(bad))?.status, "halted")
          const skipped = yield* slip("skip", bad.correlationId, "--step", "1", "--by", "grace")
          assert.strictEqual(skipped.code, 0, skipped.stderr)
          assert.strictEqual(skipped.stdout, "It is skipped; the rest will be undone.\n")
          const watched = yield* slip("watch", bad.correlationId)
          assert.strictEqual(watched.code, 1)
          assert.match(watched.stdout, /skipped +1 book +.*grace/)
          const shown = yield* slip("show", bad.correlationId)
          assert.match(shown.stdout, /^status: +faulted$/m)
          assert.match(shown.stdout, /^1 +book +kept /m)
          const other = yield* dispatch(false)
          assert.strictEqual((yield* settled(other))?.status, "halted")
          const json = yield* slip("skip", other.correlationId, "--json")
          assert.deepStrictEqual(JSON.parse(json.stdout), { correlationId: other.correlationId, skip: true })
        }),
      60_000
    )

    it.effect(
      "groups dead letters, puts them back and throws them away",
      () =>
        Effect.gen(function* () {
          const { publish } = yield* Transport.Transport
          const { queue } = ship
          for (const id of ["m1", "m2"]) yield* publish({ queue, id, body: new TextEncoder().encode(`{"a":1,"a":2}`) })
          yield* publish({ queue, id: "m3", body: new TextEncoder().encode("no") })
          const transport = yield* Transport.Transport
          while ((yield* transport.deadLetters(queue)).length < 3) yield* Effect.sleep("20 millis")
          const listed = yield* slip("dead-letters", "list", queue, "--json")
          assert.strictEqual(listed.code, 0, listed.stderr)
          const groups: ReadonlyArray<{
            readonly count: number
            readonly reason: string
            readonly fingerprint: string
          }> = JSON.parse(listed.stdout)
          assert.deepStrictEqual(
            groups.map(({ count, reason }) => `${count} ${reason}`),
            ["2 duplicate-key", "1 malformed"]
          )
          const nothing = yield* slip("dead-letters", "discard", queue)
          assert.strictEqual(nothing.code, 1)
          assert.include(nothing.stderr, "say which")
          const discarded = yield* slip(
            "dead-letters",
            "discard",
            queue,
            "--fingerprint",
            groups[0]?.fingerprint ?? "",
            "--json"
          )
          assert.deepStrictEqual(JSON.parse(discarded.stdout), { queue, count: 2 })
          const redriven = yield* slip("dead-letters", "redrive", queue, "--all")
          assert.strictEqual(redriven.stdout, "Put back: 1\n")
          while ((yield* transport.deadLetters(queue)).length < 1) yield* Effect.sleep("20 millis")
        }),
      60_000
    )

    it.effect("looks at the dead letters of a queue that is not there", () =>
      Effect.gen(function* () {
        const typo = yield* slip("dead-letters", "list", "tenon.typo")
        // A table of messages knows no queue apart from what is in it.
        if (broker.name === "PostgreSQL") return assert.strictEqual(typo.code, 0)
        assert.strictEqual(typo.code, 1)
        assert.include(typo.stderr, "There is no queue tenon.typo at the broker.")
      })
    )

    it.effect(
      "writes a slip's message for its owner only",
      () =>
        Effect.gen(function* () {
          const well = yield* dispatch(true)
          yield* settled(well)
          const file = join(directory, "slip.json")
          const exported = yield* slip("export", well.correlationId, "--out", file)
          assert.strictEqual(exported.code, 0, exported.stderr)
          assert.strictEqual(statSync(file).mode & 0o777, 0o600)
          assert.strictEqual(JSON.parse(readFileSync(file, "utf8")).headers.correlation_id, well.correlationId)
        }),
      60_000
    )
  })

for (const broker of brokers) describe.skipIf(!broker.runs)(`over ${broker.name}`, () => void suite(broker))

it.live(
  "tenon slip verify tells offline what a file proves, and why it proves nothing",
  () =>
    Effect.gen(function* () {
      const ring = yield* SignedWorld.keys
      const body = yield* SignedWorld.afterAlpha(ring, "c1").pipe(
        Effect.andThen(SignedWorld.newest("c1")),
        Effect.provide(SignedWorld.world(ring))
      )
      const [file, forged, keys] = ["signed.json", "forged.json", "keys.json"].map((name) => join(directory, name)) as [
        string,
        string,
        string
      ]
      writeFileSync(file, body)
      writeFileSync(forged, new TextDecoder().decode(body).replace('"ada"', '"eve"'))
      writeFileSync(keys, JSON.stringify({ keys: Object.values(ring).map(({ publicKey }) => publicKey) }))
      const proven = yield* tenon(["slip", "verify", file, "--keys", keys, "--json"])
      assert.strictEqual(proven.code, 0, proven.stderr)
      assert.deepInclude(JSON.parse(proven.stdout), { proven: true, correlationId: "c1", outcome: "under way" })
      const refused = yield* tenon(["slip", "verify", forged, "--keys", keys, "--json"])
      assert.strictEqual(refused.code, 1)
      assert.deepInclude(JSON.parse(refused.stdout), { proven: false, reason: "tampered" })
      const gone = yield* tenon(["slip", "verify", join(directory, "gone"), "--keys", keys])
      assert.strictEqual(gone.code, 1)
      assert.notInclude(gone.stderr, "    at ")
    }),
  30_000
)

afterAll(async () => {
  rmSync(directory, { recursive: true, force: true })
  if (onRedis) await deleteStreams([book.queue, ship.queue], prefix)
})
