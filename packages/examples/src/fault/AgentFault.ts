/** Breaks things while agents work, ask and wait, on either runtime, and then audits what is left. */
import * as Cluster from "@tenon/testing/Cluster"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as AgentAim from "./AgentAim.ts"
import * as AgentAudit from "./AgentAudit.ts"
import * as AgentLedger from "./AgentLedger.ts"
import type { Result } from "./Fault.ts"
import * as Ledger from "./Ledger.ts"
import { serving } from "./Serving.ts"

/** What the application's workflows run on. */
export type Runtime = "restate" | "postgres"

/** What a strike needs to know of whom it hits. */
interface Target {
  readonly ledger: AgentLedger.AgentLedger
  readonly where: AgentLedger.Where
}

interface Scenario {
  readonly name: string
  readonly runtime: Runtime
  readonly threads?: number
  /** How long a thread is quiet between messages, in milliseconds. */
  readonly pause?: number
  readonly strike: (cluster: Cluster.Cluster, at: Target) => Effect.Effect<void, unknown, Scope.Scope>
}

/** While one run is in a step, one asks and one sleeps. */
const killApplication: Scenario["strike"] = Effect.fnUntraced(function* ({ application }, { ledger, where }) {
  const { hit } = yield* AgentAim.aim(ledger, where)
  yield* application.kill
  yield* hit
  where.url = (yield* application.start).url
})

/** All that Restate knows, but for the key that it signs with. */
const forget = ({ baseDir }: Cluster.Cluster["restate"]) =>
  Effect.sync(() => {
    for (const name of readdirSync(baseDir))
      if (!/^(identity\.pem|restate\.(log|pid))$/.test(name))
        rmSync(join(baseDir, name), { recursive: true, force: true })
  })

const both = (scenario: Omit<Scenario, "runtime">): ReadonlyArray<Scenario> =>
  (["postgres", "restate"] as const).map((runtime) => ({ ...scenario, runtime }))

/** The command that serves the agents. */
export const command = serving(join(import.meta.dirname, "agents.config.ts"))

/** What agents survive. */
export const scenarios: ReadonlyArray<Scenario> = [
  ...both({ name: "the agents' process is killed", strike: killApplication }),
  {
    name: "Restate is killed under agents",
    runtime: "restate",
    strike: ({ restate }) => Effect.andThen(restate.kill, restate.restart)
  },
  {
    name: "Restate's data is deleted under agents",
    runtime: "restate",
    strike: ({ restate }) => restate.kill.pipe(Effect.andThen(forget(restate)), Effect.andThen(restate.restart))
  },
  ...both({
    name: "PostgreSQL's connections are cut under agents",
    strike: ({ postgres }) => Ledger.terminateConnections(postgres)
  }),
  ...both({
    name: "PostgreSQL is stopped with -m immediate under agents",
    strike: ({ postgres }) => postgres.restart("immediate")
  }),
  ...both({
    name: "200 threads of agents, half with interrupting messages",
    threads: 200,
    pause: 8000,
    strike: () => Effect.void
  })
]

/** How hard to strike. */
export interface Options {
  readonly command: ReadonlyArray<string>
  readonly strikes: number
  /** How many threads are under load, where that is not what the scenario is about. Default: 12. */
  readonly threads?: number
  /** Further settings of the application. */
  readonly environment?: { readonly [name: string]: string }
  readonly progress: (message: string) => void
}

/** Runs one scenario on servers of its own. */
export const run = Effect.fn("AgentFault.run")(function* (scenario: Scenario, options: Options) {
  const { pause = 1500, runtime, threads = options.threads ?? 12 } = scenario
  const { progress, strikes } = options
  const name = `${scenario.name} (${runtime})`
  progress(`${name}: starting servers …`)
  const cluster = yield* Cluster.make({
    command: options.command,
    environment: { LOST_RUNS_EVERY: "5 seconds", ...options.environment, RUNTIME: runtime }
  })
  const { keys, url } = yield* cluster.application.start
  const where: AgentLedger.Where = { url, key: keys["acme"]?.["admin"] ?? "" }
  const ledger = yield* AgentLedger.open(where, threads)
  const load = yield* Effect.forkChild(AgentLedger.load(ledger, where, pause))
  const accepted = () => ledger.talks.reduce((sum, talk) => sum + talk.accepted.length, 0)
  for (let strike = 1; strike <= strikes; strike++) {
    yield* Effect.sleep("2 seconds")
    const before = ledger.struck.length
    yield* scenario.strike(cluster, { ledger, where })
    const struck = ledger.struck.slice(before).map(({ doing }) => doing)
    const doing = struck.length === 0 ? "" : ` at runs ${struck.join(", ")}`
    progress(
      `  strike ${strike} of ${strikes}${doing}, ${accepted()} messages and ${ledger.answered.size} answers so far`
    )
  }
  yield* Effect.sleep("2 seconds")
  ledger.closing = true
  yield* Fiber.join(load).pipe(Effect.timeout("90 seconds"))
  progress(`  ${accepted()} messages and ${ledger.answered.size} answers accepted; waiting for the agents …`)
  const problems = yield* settle(ledger, where)
  const ok = problems.length === 0
  progress(
    `  ${ok ? "ok: nothing lost, nothing stuck, no result changed" : `FAIL: ${problems.slice(0, 10).join("; ")}`}`
  )
  const struck = ledger.struck.map(({ doing }) => doing)
  const result: Result = {
    scenario: name,
    ok,
    accepted: accepted(),
    faults: strikes,
    ...(struck.length === 0 ? {} : { struck }),
    problems: problems.slice(0, 10)
  }
  return result
}, Effect.scoped)

/** Answers what is still asked until all is well, or nothing gets better. */
const settle = Effect.fnUntraced(function* (ledger: AgentLedger.AgentLedger, where: AgentLedger.Where) {
  let fewest = Infinity
  let problems: ReadonlyArray<string> = []
  // Longer than the leases of what a killed process had in hand.
  for (let idle = 0; idle < 75; idle++) {
    yield* AgentLedger.answerAll(ledger, where)
    yield* Effect.sleep("1 second")
    problems = yield* AgentAudit.audit(ledger, where)
    if (problems.length === 0) return problems
    if (problems.length < fewest) idle = 0
    fewest = Math.min(fewest, problems.length)
  }
  return problems
})
