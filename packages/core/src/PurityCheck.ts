/**
 * Runs every action of a registry over drawn rows and inputs, twice each, the way the interpreter would, and reports
 * what only shows when an action runs: an outcome that names what `touches` does not, a value of the wrong shape, a
 * throw, a failure that is not declared, a look at the clock or at chance, two answers to one question.
 *
 * It needs no store and changes nothing. It shows faults, never that there are none: a branch that no drawn value led
 * into was not looked at, which is why the report names what was declared and never seen.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import type { Actor } from "./Actor.ts"
import * as Decision from "./Decision.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import { seeded } from "./NewId.ts"
import { type Fault, Ledger, type Looked } from "./PurityLedger.ts"
import * as PurityDraw from "./PurityDraw.ts"
import * as PurityWatch from "./PurityWatch.ts"
import type * as Registry from "./Registry.ts"
import type * as Resource from "./Resource.ts"
import type { EncodedRow, LoadAnswer, Plan, Standing, Work } from "./UnitOfWork.ts"

/** How to look. */
export interface Options {
  /** Runs of each action. Default 100. */
  readonly runs?: number
  /** The same seed draws the same values. Default 1. */
  readonly seed?: number
}

/** What came of it. */
export interface Report {
  readonly actions: ReadonlyArray<Looked>
  readonly faults: ReadonlyArray<Fault>
}

/** Looks at every action. */
export const check = Effect.fn("PurityCheck.check")(function* (registry: Registry.Registry, options: Options = {}) {
  const { runs = 100, seed = 1 } = options
  const sources = PurityDraw.sources(seed)
  const looked: Array<Looked> = []
  const faults: Array<Fault> = []
  for (const resource of registry.resources) {
    for (const action of Object.values(resource.actions)) {
      const ledger = new Ledger(action)
      const chance = PurityDraw.random(seed)
      const drawable = look({ registry, resource, action, ledger, sources, chance, runs })
      yield* Effect.catch(drawable, () => Effect.sync(() => ledger.undrawable()))
      looked.push(ledger.looked())
      faults.push(...ledger.faults.values())
      // Others have their turn: an application may be serving meanwhile.
      yield* Effect.yieldNow
    }
  }
  const report: Report = { actions: looked, faults }
  return report
})

interface Subject {
  readonly registry: Registry.Registry
  readonly resource: Resource.Any
  readonly action: Action.Any
  readonly ledger: Ledger
  readonly sources: PurityDraw.Sources
  readonly chance: PurityDraw.Random
  readonly runs: number
}

const look = Effect.fnUntraced(function* (subject: Subject) {
  const { action, chance, ledger, resource, runs, sources } = subject
  const inputs = yield* sources.input(action)
  const rows = yield* sources.rows(resource)
  const watched = watchedOf(action, ledger)
  for (let run = 0; run < runs; run++) {
    const self = hasSelf(action, chance) ? PurityDraw.rowFrom(resource, rows) : undefined
    const key = String(self?.[resource.key] ?? seeded(run)(0))
    const input = PurityDraw.inputFrom(inputs, self, chance)
    const question: Question = { key, self, input, run }
    const loaded = yield* answers(subject, watched, question)
    if (loaded === undefined) continue
    ledger.begin({ key, self, input, loaded })
    const once = decideOnce(subject, watched, question, loaded)
    const again = decideOnce(subject, watched, question, loaded)
    if (once !== undefined && again !== undefined && once !== again) ledger.fault(...unsteady)
  }
})

const hasSelf = (action: Action.Any, chance: PurityDraw.Random): boolean =>
  action.self === "required" || (action.self === "optional" && chance(4) > 0)

const unsteady = [
  "gives another outcome for the same arguments and context",
  "Take time, ids and actor from the context, and everything else from the arguments and `load`"
] as const

interface Question {
  readonly key: string
  readonly self: EncodedRow | undefined
  readonly input: Schema.Json
  readonly run: number
}

/** The drawn answers to an action's loads; `undefined` where it cannot say what to load. */
const answers = Effect.fnUntraced(function* (subject: Subject, watched: Action.Any, question: Question) {
  const { chance, ledger, resource, sources } = subject
  const { self } = question
  ledger.begin({ ...question, loaded: {} })
  const loads = ledger.attempt(() => workOf(subject, watched, question)?.loads?.(self) ?? Result.succeed({}))
  if (loads === undefined || Result.isFailure(loads)) return undefined
  const loaded: { [name: string]: LoadAnswer } = {}
  for (const [name, load] of Object.entries(loads.success)) {
    const own = load.resource.name === resource.name && load.key === question.key
    loaded[name] = own ? self : PurityDraw.answer(load, yield* sources.rows(load.resource), chance)
  }
  return loaded
})

/** The outcome as text, complete enough to tell two apart; `undefined` where there is none because of a fault. */
const decideOnce = (
  subject: Subject,
  watched: Action.Any,
  question: Question,
  loaded: { readonly [name: string]: LoadAnswer }
): string | undefined => {
  const { ledger, resource } = subject
  return ledger.attempt(() => {
    const decided = workOf(subject, watched, question)?.decide(question.self, loaded)
    if (decided === undefined) return undefined
    if (Result.isFailure(decided)) {
      ledger.failure(decided.failure, resource)
      return JSON.stringify(ErrorBoundary.encode(decided.failure, watched.errors))
    }
    const plan = decided.success
    const concluded = PurityWatch.watch(() => plan.conclude(standingAfter(plan)), ledger.took)
    // Values are drawn without regard to what they are used for, so a key that they lead to may be none.
    if (Result.isFailure(concluded)) return JSON.stringify(ErrorBoundary.encode(concluded.failure, watched.errors))
    const { events, executed } = concluded.success
    ledger.decided(
      plan,
      events.map(({ name }) => name),
      executed.deliveries
    )
    const changes = plan.changes.map((change) => ({ ...change, resource: change.resource.name }))
    return JSON.stringify([changes, concluded.success])
  })
}

const admin: Actor = { id: "purity", tenantId: "tenant-a", kind: "user", roles: ["admin"] }

/** A fixed instant, so that the same seed asks the same questions. 2026-01-01, in milliseconds. */
const now = 1_767_225_600_000

/** As a door's call every other time, so that the policy is asked too. */
const workOf = (subject: Subject, watched: Action.Any, question: Question): Work | undefined => {
  const { action, registry, resource } = subject
  const newId = seeded(question.run + 1)
  const work = Decision.work(
    registry,
    { resource, action: watched },
    {
      resource: resource.name,
      action: action.name,
      key: question.key,
      input: question.input,
      actor: admin,
      origin: question.run % 2 === 0 ? "door" : "internal"
    },
    {
      now: DateTime.toEpochMillis(DateTime.makeUnsafe(now + question.run)),
      newId,
      receiptKey: undefined,
      trace: undefined
    }
  )
  return Result.isSuccess(work) ? work.success : undefined
}

/** The rows as a store would hand them back: numbered. */
const standingAfter = (plan: Plan): ReadonlyArray<Standing | undefined> =>
  plan.changes.map((change) => {
    if (change._tag === "Remove") return undefined
    const numbered = change.resource.columns.filter(
      ({ default: fill }) => fill?._tag === "Version" || fill?._tag === "Position"
    )
    const numbers = numbered.map(({ field }) => [field, Number(change.row[field] ?? 0) + 1] as const)
    return { row: { ...change.row, ...Object.fromEntries(numbers) }, fresh: true }
  })

/** The action, with everything it is given frozen and everything it takes from the world noted. */
const watchedOf = (action: Action.Any, ledger: Ledger): Action.Any => {
  const watching =
    <Args, Rest extends ReadonlyArray<unknown>, A>(body: (args: Args, ...rest: Rest) => A) =>
    (args: Args, ...rest: Rest): A =>
      PurityWatch.watch(() => body(PurityWatch.freeze(args), ...rest), ledger.took)
  return {
    ...action,
    decide: watching(action.decide),
    load: action.load === undefined ? undefined : watching(action.load),
    source: action.source === undefined ? undefined : watching(action.source)
  }
}
