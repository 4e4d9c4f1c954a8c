/**
 * Runs workflows from a `RunStore`: claims what is due, drives several at once, hands a run back when it only waits,
 * and keeps its leases while it works. Any number of engines may work from one store.
 *
 * A defect of a program is tried a few times and then pauses its run for an operator; a store that does not answer is
 * waited for; a claim that another worker has taken over ends the work on it at once.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Actor } from "./Actor.ts"
import { isCrash } from "./Checkpoint.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import type { ActionFailure, Unavailable } from "./Failure.ts"
import { actorOf, type Delivery, type Invocation } from "./Invocation.ts"
import * as FollowUp from "./FollowUp.ts"
import { NewId } from "./NewId.ts"
import * as RunAttempt from "./RunAttempt.ts"
import * as RunBody from "./RunBody.ts"
import type { Operation, RunJournal, RunKey } from "./RunJournal.ts"
import * as RunForking from "./RunForking.ts"
import { type Claim, type ClaimedRun, type Held, type LeaseLost, type Next, type RunStore, textOf } from "./RunStore.ts"
import * as Span from "./Span.ts"
import type { Implementation, Workflows } from "./Workflow.ts"

/** How an engine works. */
export interface Options {
  /** How many runs are driven at once; those that only wait are not. Default: 100. */
  readonly concurrency?: number | undefined
  /** After how much waiting a run is written down and frees its place. Default: a second. */
  readonly idle?: Duration.Input | undefined
  /** How long a run is nobody else's after its worker's last sign of life. Default: 30 seconds. */
  readonly lease?: Duration.Input | undefined
  /** How often to look for what other processes have started or signalled. Default: 500 milliseconds. */
  readonly poll?: Duration.Input | undefined
}

/** What an engine works with. */
export interface Parts {
  readonly store: RunStore["Service"]
  readonly journal: RunJournal["Service"]
  readonly workflows: Workflows["Service"]
  /** Runs an action for a run, once for its id, and gives the encoding of its output. */
  readonly perform: (invocation: Invocation, id: string) => Effect.Effect<Schema.Json, ActionFailure>
}

interface Active {
  readonly claim: Claim
  readonly mailed: Latch.Latch
  mail: number
  fiber: Fiber.Fiber<void> | undefined
  /** Whether it may be what stops the processes of its workers, this one's too. */
  onTrial: boolean
}

/** A run that has stopped the processes of all its workers, as it seems. */
class Deadly extends Error {
  override readonly name = "Deadly"
  constructor(times: number) {
    super(
      `The worker of this run was lost ${times} times in a row, and never came back: its process died, or stood still. ` +
        "It may be this run that does it, by going round without a wait (`while (true)`), or by taking all of the memory"
    )
  }
}

/** How long a run that may stop its process is watched for, in milliseconds. */
const trialMillis = 1000

/** An engine at work, and what a runtime does with runs through it, so that what is at hand need not look. */
export interface RunEngine {
  readonly start: (actor: Actor, delivery: Starting) => Effect.Effect<void, Unavailable>
  readonly signal: (actor: Actor, delivery: Signalling) => Effect.Effect<void, Unavailable>
  readonly cancel: (run: RunKey) => Effect.Effect<void, Unavailable>
  readonly resume: (run: RunKey) => Effect.Effect<void, Unavailable>
}

type Starting = Extract<Delivery, { readonly _tag: "StartWorkflow" }>
type Signalling = Extract<Delivery, { readonly _tag: "Signal" }>

/** A timer of the platform ends at once where it is set for longer than 25 days. */
const longestTimer = 24 * 60 * 60 * 1000

/** How a run ends of which nothing was begun. */
const aborted: RunAttempt.Ended = {
  _tag: "Ended",
  exit: Exit.interrupt(),
  offset: 0,
  begun: 0,
  operations: [],
  deliveries: []
}

const patiently = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    schedule: RunBody.backoff,
    while: ErrorBoundary.isInfrastructure
  }) as Effect.Effect<A, Exclude<E, Unavailable>, R>

/** Works for as long as the scope; then gives its runs back at once. */
export const make = Effect.fnUntraced(function* (
  { journal, perform, store, workflows }: Parts,
  options: Options = {}
): Effect.fn.Return<RunEngine, never, Scope.Scope> {
  const concurrency = options.concurrency ?? 100
  const idleMillis = Duration.toMillis(options.idle ?? "1 second")
  const leaseMillis = Duration.toMillis(options.lease ?? "30 seconds")
  const pollMillis = Duration.toMillis(options.poll ?? "500 millis")
  const names = [...workflows.keys()]
  const scope = yield* Effect.scope
  const active = new Map<string, Active>()
  const freed = Latch.makeUnsafe(false)

  const driven = (run: ClaimedRun, mailed: Latch.Latch): Effect.Effect<void, LeaseLost> =>
    Effect.gen(function* () {
      const { claim } = run
      const implementation = workflows.get(claim.workflow)
      if (implementation === undefined) return
      const attempt = Effect.gen(function* () {
        const { mail, operations } = yield* patiently(store.read(claim))
        return yield* RunAttempt.run<LeaseLost>({
          implementation,
          run,
          operations: operations.length > 0 ? operations : yield* begun(run, implementation),
          mail,
          mailed,
          readMail: patiently(store.mail(claim)),
          write: (offset, write) => patiently(store.write(claim, offset, { ...write, next: { _tag: "Running" } })),
          perform,
          idleMillis
        })
      })
      yield* end(run, implementation, yield* Effect.exit(attempt))
    })

  /** Writes what a fork begins with into its journal, so that it is the run's own from there on. */
  const begun = Effect.fnUntraced(function* (
    { actor, beganAt, claim, fork, id, input }: ClaimedRun,
    implementation: Implementation
  ): Effect.fn.Return<ReadonlyArray<Operation>, LeaseLost> {
    if (fork === undefined) return []
    const { key, workflow } = claim
    const other = { ...claim, key: fork.key }
    const origin = yield* patiently(journal.beginning(other))
    if (origin === undefined) return []
    const source = { operations: yield* patiently(journal.operations(other)), origin }
    const forking = { workflow, key, id, actor, input, beganAt, fork }
    const operations = yield* RunForking.begin(implementation, forking, source)
    if (operations.length > 0) {
      yield* RunBody.reached("executed", "fork", claim.tenantId)
      yield* patiently(store.write(claim, 0, { operations, deliveries: [], next: { _tag: "Running" } }))
      yield* RunBody.reached("journaled", "fork", claim.tenantId)
    }
    return operations
  })

  /** Writes down what an attempt came to. */
  const end = (
    run: ClaimedRun,
    implementation: Implementation,
    attempt: Exit.Exit<RunAttempt.Ending, LeaseLost>
  ): Effect.Effect<void, LeaseLost> => {
    const { claim } = run
    const finish = (next: Next, offset = 0, rest: Partial<RunAttempt.Ended> = {}) =>
      patiently(
        store.write(claim, offset, {
          operations: rest.operations ?? [],
          deliveries: rest.deliveries ?? [],
          trace: rest.trace,
          next
        })
      )
    const broken = (cause: Cause.Cause<unknown>) =>
      Effect.flatMap(afterDefect(run, Cause.squash(cause)), (next) =>
        finish(next, 0, { deliveries: next._tag === "Paused" ? followUps(run, implementation, next.problem) : [] })
      )
    if (Exit.isFailure(attempt)) {
      return Cause.hasDies(attempt.cause) ? broken(attempt.cause) : Effect.failCause(attempt.cause)
    }
    const ending = attempt.value
    if (ending._tag === "Idle") {
      return finish({ _tag: "Waiting", afterMillis: ending.afterMillis, mail: ending.mail })
    }
    const { exit, offset } = ending
    if (Exit.isSuccess(exit)) return finish({ _tag: "Ended", status: "done" }, offset, ending)
    if (Cause.hasDies(exit.cause)) return broken(exit.cause)
    return finish(
      Cause.hasFails(exit.cause)
        ? { _tag: "Ended", status: "failed", problem: wordsFor(Cause.squash(exit.cause)) }
        : { _tag: "Ended", status: "cancelled" },
      offset,
      ending
    )
  }

  const afterDefect = ({ claim, failures }: ClaimedRun, defect: unknown): Effect.Effect<Next> => {
    if (isCrash(defect)) return Effect.succeed({ _tag: "Waiting", afterMillis: 0, mail: 0 })
    const problem = RunBody.wordsOf(defect)
    const forGood =
      defect instanceof RunBody.Exhausted ||
      defect instanceof Deadly ||
      defect instanceof RunAttempt.JournalMismatch ||
      failures + 1 >= RunBody.defectAttempts
    const next: Next = forGood
      ? { _tag: "Paused", problem }
      : { _tag: "Waiting", afterMillis: 50 * 2 ** failures, mail: 0, problem }
    return (forGood ? Effect.logError : Effect.logWarning)(
      forGood ? "A run is paused because of a bug" : "A run met a bug and is tried again",
      problem
    ).pipe(Effect.annotateLogs({ workflow: claim.workflow, run: claim.key, tenant: claim.tenantId }), Effect.as(next))
  }

  /** Gives a run back where the work on it is stopped from outside. */
  const release = (claim: Claim) =>
    store
      .write(claim, 0, { operations: [], deliveries: [], next: { _tag: "Waiting", afterMillis: 0, mail: 0 } })
      .pipe(Effect.timeoutOption("2 seconds"), Effect.ignore)

  /** Lets go of runs whose claims no longer hold, and wakes those that have mail. */
  const attend = (asked: ReadonlyArray<Active>, held: ReadonlyArray<Held>) =>
    Effect.sync(() => {
      const byRun = new Map(held.map((each) => [`${textOf(each.run)} ${each.token}`, each]))
      for (const each of asked) {
        const found = byRun.get(`${textOf(each.claim)} ${each.claim.token}`)
        if (found === undefined) each.fiber?.interruptUnsafe()
        else if (found.mail !== each.mail) {
          each.mail = found.mail
          each.mailed.openUnsafe()
        }
      }
    })

  const asked = (
    ask: (claims: ReadonlyArray<Claim>) => Effect.Effect<ReadonlyArray<Held>, Unavailable>,
    whose = (): Iterable<Active> => active.values()
  ) =>
    Effect.suspend(() => {
      const all = [...whose()]
      if (all.length === 0) return Effect.void
      return Effect.flatMap(ask(all.map(({ claim }) => claim)), (held) => attend(all, held))
    })

  /** Its process goes on, so it is not this run that has stopped others. */
  const acquit = (mine: Active) =>
    Effect.suspend(() => {
      mine.onTrial = false
      const isAtWork = active.get(textOf(mine.claim)) === mine
      return Effect.ignore(
        asked(
          (claims) => store.renew(claims, leaseMillis),
          () => (isAtWork ? [mine] : [])
        )
      )
    })

  /** Pauses a run that may not be begun once more, not even to be cancelled. */
  const setAside = (run: ClaimedRun) =>
    Effect.gen(function* () {
      const implementation = workflows.get(run.claim.workflow)
      if (implementation === undefined) return
      const { cancelled } = yield* patiently(store.mail(run.claim))
      yield* end(run, implementation, cancelled ? Exit.succeed(aborted) : Exit.die(new Deadly(run.lost)))
    }).pipe(Effect.ignore)

  const drive = Effect.fnUntraced(function* (run: ClaimedRun) {
    // Not among those whose leases are renewed: that would say that all is well with it.
    if (run.lost >= RunBody.defectAttempts) return yield* Effect.forkIn(setAside(run), scope)
    const id = textOf(run.claim)
    const onTrial = run.lost > 1
    const mine: Active = { claim: run.claim, mailed: Latch.makeUnsafe(false), mail: 0, fiber: undefined, onTrial }
    active.set(id, mine)
    mine.fiber = yield* driven(run, mine.mailed).pipe(
      Effect.catchTag("LeaseLost", ({ message }) => Effect.logWarning(message)),
      Effect.onInterrupt(() => release(run.claim)),
      Effect.ensuring(
        Effect.sync(() => {
          if (active.get(id) === mine) active.delete(id)
          freed.openUnsafe()
        })
      ),
      Effect.forkDetach
    )
    if (onTrial) yield* Effect.forkIn(Effect.delay(acquit(mine), Math.min(trialMillis, leaseMillis / 3)), scope)
  })

  let lookedAt = 0
  const cycle = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now - lookedAt >= pollMillis) {
      lookedAt = now
      yield* asked(store.look)
    }
    freed.closeUnsafe()
    const limit = concurrency - active.size
    if (limit <= 0) return yield* Effect.raceFirst(freed.await, Effect.sleep(Math.min(pollMillis, longestTimer)))
    // One at a time: else all that are at work where one stops a process would be taken for what did.
    const doubtful = [...active.values()].some(({ onTrial }) => onTrial) ? 0 : 1
    const { nextMillis, runs } = yield* store.claim({ workflows: names, limit, doubtful, leaseMillis, now })
    yield* Effect.forEach(runs, drive, { discard: true })
    if (runs.length >= limit) return
    const millis = Math.min(pollMillis, nextMillis ?? Infinity)
    yield* millis < Infinity
      ? Effect.raceFirst(store.awaitWork, Effect.sleep(Math.max(1, Math.min(millis, longestTimer))))
      : store.awaitWork
  })

  if (names.length > 0) {
    // All at once: some may take their time to stop, and others should be gone on with meanwhile.
    yield* Effect.addFinalizer(() =>
      Fiber.interruptAll([...active.values()].flatMap(({ fiber }) => (fiber === undefined ? [] : [fiber])))
    )
    yield* cycle.pipe(
      Effect.tapError((failure) => Effect.logWarning("Runs could not be claimed", failure.message)),
      Effect.retry(RunBody.backoff),
      Effect.forever,
      Effect.forkScoped
    )
    if (leaseMillis < Infinity) {
      yield* asked((claims) => store.renew(claims, leaseMillis)).pipe(
        Effect.ignore,
        Effect.delay(leaseMillis / 3),
        Effect.forever,
        Effect.forkScoped
      )
    }
  }

  const poke = (run: RunKey) => Effect.sync(() => active.get(textOf(run))?.mailed.openUnsafe())

  return {
    start: Effect.fnUntraced(function* (deliverer: Actor, starting: Starting) {
      const { delayMillis, fork, input, key, workflow } = starting
      const actor = actorOf(deliverer, starting)
      if (!workflows.has(workflow)) {
        return yield* Effect.die(new Error(`No program for the workflow ${workflow}; add it to Workflow.layer`))
      }
      const id = (yield* NewId)(yield* Clock.currentTimeMillis)
      const trace = yield* Span.current
      yield* store.start({ tenantId: actor.tenantId, workflow, key, id, actor, input, delayMillis, fork, trace })
    }),
    signal: ({ tenantId }, { id, key, payload, signal, workflow }) => {
      const run = { tenantId, workflow, key }
      return Effect.andThen(store.signal(run, { name: signal, id, payload }), poke(run))
    },
    cancel: (run) => Effect.andThen(store.cancel(run), poke(run)),
    resume: store.resume
  }
})

/** What is to be sent where a run is paused. Each claim may pause it once. */
const followUps = ({ claim, id, input }: ClaimedRun, implementation: Implementation, problem: string) =>
  FollowUp.whenPaused(implementation, { key: claim.key, input }, problem).map((delivery, index) => ({
    id: `${id}/paused/${claim.token}/${index}`,
    delivery
  }))

const wordsFor = (failure: unknown): string =>
  typeof failure === "object" && failure !== null && "_tag" in failure
    ? `${String(failure._tag)}: ${ErrorBoundary.messageOf(failure as ActionFailure)}`
    : RunBody.wordsOf(failure)
