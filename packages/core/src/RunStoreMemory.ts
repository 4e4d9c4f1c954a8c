/**
 * Runs in this process, atomic because every change is synchronous. For tests and development: runs that have ended
 * stay, with all that they have done, until the process ends. One that was dropped would begin again when it is started
 * twice.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Actor } from "./Actor.ts"
import type { Delivery } from "./Invocation.ts"
import {
  type Beginning,
  isAlive,
  type Operation,
  type RunJournal,
  type RunKey,
  signalName,
  type Standing,
  type Status
} from "./RunJournal.ts"
import {
  type Claim,
  LeaseLost,
  type Mail,
  type NewRun,
  type RunStore,
  type Signal,
  textOf,
  type Write
} from "./RunStore.ts"
import * as Span from "./Span.ts"

interface Kept {
  readonly run: NewRun
  status: Status
  problem: string | undefined
  token: number
  /** When it may be claimed: it is due, or its lease has ended. */
  dueAt: number
  beganAt: number | undefined
  failures: number
  lost: number
  cancelled: boolean
  /** The newest write, which may be asked for again. */
  last: Write | undefined
  readonly operations: Array<Operation>
}

/** What is recorded of a run that another journal holds. */
interface Mirrored {
  readonly operations: Map<number, Operation>
  readonly beginning: Beginning | undefined
  standing: Standing
}

interface Box {
  count: number
  readonly signals: Map<string, Signal>
}

/** What is kept is nobody else's, as it would be in a database: a program may change what it gave or was given. */
const copy = <A>(value: A): A => JSON.parse(JSON.stringify(value))

/** Carries out a delivery for an actor. */
export type Deliver = (actor: Actor, delivery: Delivery, id: string) => Effect.Effect<void>

/** A store with nothing in it, and its journal. What runs send goes to `deliver`. */
export const make = (
  deliver: Deliver
): { readonly store: RunStore["Service"]; readonly journal: RunJournal["Service"] } => {
  const runs = new Map<string, Kept>()
  /** Those that have not ended, so that a claim does not look at all there ever were. */
  const alive = new Map<string, Kept>()
  const boxes = new Map<string, Box>()
  const recorded = new Map<string, Mirrored>()
  const changed = Latch.makeUnsafe(false)

  const boxOf = (run: RunKey): Box => {
    const id = textOf(run)
    const found = boxes.get(id) ?? { count: 0, signals: new Map() }
    boxes.set(id, found)
    return found
  }

  const mailOf = (run: RunKey): Mail => {
    const { count, signals } = boxOf(run)
    return { count, signals: [...signals.values()].map(copy), cancelled: runs.get(textOf(run))?.cancelled ?? false }
  }

  const heldBy = ({ token, ...run }: Claim): Kept | undefined => {
    const found = runs.get(textOf(run))
    return found?.token === token && found.status === "running" ? found : undefined
  }

  /** Something came for a run: whoever runs it looks, and one that waits is due. */
  const wake = (run: RunKey, now: number) => {
    boxOf(run).count++
    const found = runs.get(textOf(run))
    if (found?.status === "waiting" && found.beganAt !== undefined) found.dueAt = now
    changed.openUnsafe()
  }

  const apply = (kept: Kept, { next, operations }: Write, now: number) => {
    kept.operations.push(...operations.map(copy))
    if (operations.length > 0) kept.failures = 0
    if (next._tag !== "Paused") kept.lost = 0
    switch (next._tag) {
      case "Running":
        return
      case "Waiting": {
        kept.status = "waiting"
        kept.problem = next.problem
        kept.failures += next.problem === undefined ? 0 : 1
        const mailed = next.problem === undefined && boxOf(kept.run).count > next.mail
        kept.dueAt = mailed ? now : now + (next.afterMillis ?? Infinity)
        break
      }
      case "Paused":
        kept.status = "paused"
        kept.problem = next.problem
        kept.dueAt = Infinity
        break
      case "Ended":
        kept.status = next.status
        kept.problem = next.problem
        kept.dueAt = Infinity
        alive.delete(textOf(kept.run))
    }
    changed.openUnsafe()
  }

  /** An effect that is one synchronous change at the current time. */
  const atOnce = <A>(change: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, change)

  const hold = (claims: ReadonlyArray<Claim>, leaseMillis?: number) =>
    atOnce((now) =>
      claims.flatMap((claim) => {
        const kept = heldBy(claim)
        if (kept === undefined) return []
        if (leaseMillis !== undefined) {
          kept.dueAt = now + leaseMillis
          kept.lost = 0
        }
        return [{ run: claim, token: claim.token, mail: boxOf(claim).count }]
      })
    )

  const store: RunStore["Service"] = {
    start: (run) =>
      atOnce((now) => {
        if (runs.has(textOf(run))) return
        const kept: Kept = {
          run: { ...run, input: copy(run.input) },
          status: "waiting",
          problem: undefined,
          token: 0,
          dueAt: now + run.delayMillis,
          beganAt: undefined,
          failures: 0,
          lost: 0,
          cancelled: false,
          last: undefined,
          operations: []
        }
        runs.set(textOf(run), kept)
        alive.set(textOf(run), kept)
        changed.openUnsafe()
      }),
    signal: (run, signal) =>
      atOnce((now) => {
        const { signals } = boxOf(run)
        const name = signalName(signal.name, signal.id)
        if (signals.has(name)) return
        signals.set(name, copy(signal))
        wake(run, now)
      }),
    cancel: (run) =>
      atOnce((now) => {
        const kept = runs.get(textOf(run))
        if (kept === undefined || kept.cancelled || !isAlive(kept.status)) return
        kept.cancelled = true
        if (kept.status !== "running") {
          kept.status = "waiting"
          kept.dueAt = now
        }
        wake(run, now)
      }),
    resume: (run) =>
      atOnce((now) => {
        const kept = runs.get(textOf(run))
        if (kept?.status !== "paused") return
        kept.status = "waiting"
        kept.failures = 0
        kept.lost = 0
        kept.dueAt = now
        changed.openUnsafe()
      }),
    claim: ({ doubtful, leaseMillis, limit, now, workflows }) =>
      Effect.sync(() => {
        changed.closeUnsafe()
        const mine = [...alive.values()].filter(
          ({ dueAt, run }) => dueAt < Infinity && workflows.includes(run.workflow)
        )
        const due = mine.filter(({ dueAt }) => dueAt <= now).toSorted((a, b) => a.lost - b.lost || a.dueAt - b.dueAt)
        const sure = due.filter(({ lost }) => lost === 0).slice(0, limit)
        const claimed = [...sure, ...due.filter(({ lost }) => lost > 0).slice(0, doubtful)].map((kept) => {
          if (kept.status === "running") kept.lost++
          kept.status = "running"
          kept.token++
          kept.dueAt = now + leaseMillis
          kept.beganAt ??= now
          const { actor, fork, id, input, key, tenantId, trace, workflow } = kept.run
          const claim = { tenantId, workflow, key, token: kept.token }
          const { beganAt, failures, lost } = kept
          return { claim, id, actor, input: copy(input), beganAt, failures, lost, fork, trace }
        })
        const later = Math.min(...mine.map(({ dueAt }) => dueAt).filter((dueAt) => dueAt > now))
        return { runs: claimed, nextMillis: later < Infinity ? later - now : undefined }
      }),
    read: (claim) =>
      Effect.sync(() => ({ operations: (runs.get(textOf(claim))?.operations ?? []).map(copy), mail: mailOf(claim) })),
    mail: (claim) => Effect.sync(() => mailOf(claim)),
    write: (claim, offset, write) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const kept = heldBy(claim)
        if (runs.get(textOf(claim))?.last === write) return Effect.void
        if (kept === undefined || (write.operations.length > 0 && kept.operations.length !== offset)) {
          return Effect.fail(new LeaseLost({ run: textOf(claim) }))
        }
        kept.last = write
        apply(kept, write, now)
        return Span.resume(
          write.trace,
          Effect.forEach(write.deliveries, ({ delivery, id }) => deliver(kept.run.actor, delivery, id), {
            discard: true
          })
        )
      }),
    look: (claims) => hold(claims),
    renew: hold,
    awaitWork: changed.await
  }

  const journal: RunJournal["Service"] = {
    standing: (run) =>
      Effect.sync(() => {
        const found = runs.get(textOf(run))
        return found === undefined
          ? recorded.get(textOf(run))?.standing
          : { status: found.status, problem: found.problem }
      }),
    operations: (run) =>
      Effect.sync(() => {
        const mirrored = [...(recorded.get(textOf(run))?.operations ?? [])]
        const operations =
          runs.get(textOf(run))?.operations ?? mirrored.toSorted(([a], [b]) => a - b).map(([, each]) => each)
        return operations.map(copy)
      }),
    beginning: (run) =>
      Effect.sync(() => {
        const found = runs.get(textOf(run))
        if (found === undefined) return recorded.get(textOf(run))?.beginning
        const { actor, id } = found.run
        return found.beganAt === undefined ? undefined : { seed: id, beganAt: found.beganAt, actor }
      }),
    record: (run, { beginning, offset, operations, standing }) =>
      Effect.sync(() => {
        const found = recorded.get(textOf(run)) ?? { operations: new Map<number, Operation>(), beginning, standing }
        for (const [index, each] of operations.entries()) {
          if (!found.operations.has(offset + index)) found.operations.set(offset + index, copy(each))
        }
        recorded.set(
          textOf(run),
          isLate(found.standing.status, standing.status) ? found : Object.assign(found, { standing })
        )
      })
  }
  return { store, journal }
}

/** What is said late does not undo an end, nor a suspended attempt a pause. */
const isLate = (known: Status, said: Status): boolean =>
  (said === "waiting" || said === "running") &&
  !(known === "waiting" || known === "running" || (known === "paused" && said === "running"))
