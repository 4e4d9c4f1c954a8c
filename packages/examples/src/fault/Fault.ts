/**
 * Breaks things under load and then holds a ledger of what was accepted against what the database says: every accepted
 * action is done once, every effect is delivered once as the database sees it, nothing is stuck.
 */
import * as ApiClient from "@tenon/testing/ApiClient"
import * as Cluster from "@tenon/testing/Cluster"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Ledger from "./Ledger.ts"

/** What came of one scenario. */
export interface Result {
  readonly scenario: string
  readonly ok: boolean
  /** Why it was left out on this machine, where it was. */
  readonly skipped?: string
  readonly accepted: number
  readonly faults: number
  /** What each fault hit, where it was aimed. */
  readonly struck?: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
}

interface Scenario {
  readonly name: string
  /** One fault; repeated a few times under load. */
  readonly strike: (cluster: Cluster.Cluster, address: Address) => Effect.Effect<void, unknown, Scope.Scope>
}

/** Where the application is now; it moves when it is started again. */
export interface Address {
  url: string
  readonly key: string
}

const restartAfter =
  (ending: (application: Cluster.Application) => Effect.Effect<void, unknown>): Scenario["strike"] =>
  ({ application }, address) =>
    Effect.gen(function* () {
      yield* ending(application)
      const { url } = yield* application.start
      address.url = url
    })

/** The faults that the framework promises to survive. */
export const scenarios: ReadonlyArray<Scenario> = [
  { name: "the application's process is killed", strike: restartAfter(({ kill }) => kill) },
  {
    name: "the application's process is killed between commit and journal",
    strike: restartAfter(({ endBy }) => Effect.timeout(endBy("SIGUSR2"), "20 seconds"))
  },
  {
    name: "Restate is killed and started again",
    strike: ({ restate }) => Effect.andThen(restate.kill, restate.restart)
  },
  { name: "PostgreSQL's connections are terminated", strike: ({ postgres }) => Ledger.terminateConnections(postgres) },
  {
    name: "PostgreSQL is stopped with -m immediate and started again",
    strike: ({ postgres }) => postgres.restart("immediate")
  }
]

/** How hard to strike. */
export interface Options {
  /** What serves the application: for the scenarios here a command that can be aimed at (`Serving.aimed`). */
  readonly command: ReadonlyArray<string>
  readonly strikes: number
  readonly progress: (message: string) => void
}

/** Runs one scenario on servers of its own. */
export const run = Effect.fn("Fault.run")(function* (scenario: Scenario, options: Options) {
  const { progress, strikes } = options
  progress(`${scenario.name}: starting servers …`)
  const cluster = yield* Cluster.make({ command: options.command })
  const { keys, url } = yield* cluster.application.start
  const address: Address = { url, key: keys["acme"]?.["admin"] ?? "" }
  const ledger = yield* Ledger.open(address)
  const load = yield* Effect.forkChild(Ledger.load(ledger, address))
  for (let strike = 1; strike <= strikes; strike++) {
    yield* Effect.sleep("1500 millis")
    // A load that ends is what there is to tell: a strike may wait for it in vain.
    yield* Effect.raceFirst(scenario.strike(cluster, address), Fiber.join(load))
    progress(`  strike ${strike} of ${strikes}, ${ledger.accepted.size} accepted so far`)
  }
  yield* Effect.sleep("2 seconds")
  ledger.closing = true
  yield* Fiber.join(load).pipe(Effect.timeout("90 seconds"))
  progress(`  ${ledger.accepted.size} accepted; comparing with the database …`)
  const problems = yield* Ledger.audit(ledger, ApiClient.make(address.url, address.key)).pipe(
    Effect.repeat({ schedule: Schedule.spaced("1 second"), times: 60, until: (found) => found.length === 0 })
  )
  const result: Result = {
    scenario: scenario.name,
    ok: problems.length === 0,
    accepted: ledger.accepted.size,
    faults: strikes,
    problems
  }
  progress(`  ${result.ok ? "ok: nothing lost, nothing done twice" : `FAIL: ${problems.join("; ")}`}`)
  return result
}, Effect.scoped)
