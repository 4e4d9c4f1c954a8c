/** What is noted about one action while it is looked at, and what that comes to. */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import * as ErrorBoundary from "./ErrorBoundary.ts"
import * as Failure from "./Failure.ts"
import type { Delivery } from "./Invocation.ts"
import type * as Resource from "./Resource.ts"
import type { EncodedRow, LoadAnswer, Plan } from "./UnitOfWork.ts"

/** Something that an action must not do. */
export interface Fault {
  /** As in `Thread.addMessage`. */
  readonly action: string
  readonly problem: string
  /** What to do about it. */
  readonly mend: string
  /** The drawn values that showed it, as JSON; none where none could be drawn. */
  readonly example: Example | undefined
}

/** What an action was run with. */
export interface Example {
  readonly key: string
  readonly self: EncodedRow | undefined
  readonly input: Schema.Json
  readonly loaded: { readonly [name: string]: LoadAnswer }
}

/** What came of one action. */
export interface Looked {
  readonly action: string
  readonly runs: number
  /** How often it decided on an outcome. */
  readonly decided: number
  /** How often it failed, by tag; refusals of the framework among them. */
  readonly failed: { readonly [tag: string]: number }
  /** Declared, but no drawn value led there: failures, `touches`, and any outcome at all. */
  readonly unseen: ReadonlyArray<string>
}

/** An issue may also be with the key of something that is sent, which its path says in words. */
const fieldName = /^\w+$/

/** What is known of one action so far. */
export class Ledger {
  readonly faults = new Map<string, Fault>()
  readonly #action: Action.Any
  readonly #place: string
  readonly #failed = new Map<string, number>()
  readonly #seen = new Set<string>()
  #runs = 0
  #decided = 0
  #invalid: ReadonlyArray<Failure.Issue> = []
  #example: Example | undefined

  constructor(action: Action.Any) {
    this.#action = action
    this.#place = `${action.resource}.${action.name}`
  }

  begin({ input, key, loaded, self }: Example): void {
    this.#example = { key, self, input, loaded }
  }

  fault(problem: string, mend: string): void {
    if (!this.faults.has(problem)) {
      this.faults.set(problem, { action: this.#place, problem, mend, example: this.#example })
    }
  }

  undrawable(): void {
    this.#example = undefined
    this.fault("no values can be drawn from its schemas", "Loosen their filters, or annotate them with `toArbitrary`")
  }

  readonly took = (call: string): void =>
    this.fault(`calls ${call}`, "Take time, ids and actor from the context; whatever else it needs goes in its input")

  /** What a function gives; `undefined` where it throws, which is a fault. */
  attempt<A>(run: () => A): A | undefined {
    try {
      return run()
    } catch (thrown) {
      this.fault(...describeThrow(thrown, this.#place))
      return undefined
    }
  }

  failure(failure: Failure.ActionFailure, resource: Resource.Any): void {
    this.#runs++
    const tag = Predicate.hasProperty(failure, "_tag") ? String(failure._tag) : String(failure)
    this.#failed.set(tag, (this.#failed.get(tag) ?? 0) + 1)
    this.#seen.add(`fails with ${tag}`)
    if (failure instanceof Failure.InvalidOutcome) return this.#outcome(failure, resource)
    const known = [...Failure.classes, ...this.#action.errors].some((each) => failure instanceof each)
    if (!known) this.fault(`fails with ${tag}, which it does not declare`, "Add its class to `errors`")
  }

  /** A field that there is none of can never be right; a value out of bounds may be the input's fault. */
  #outcome(failure: Failure.InvalidOutcome, resource: Resource.Any): void {
    this.#invalid = failure.issues
    if (failure.resource !== resource.name) return
    const unknown = failure.issues.find(({ path }) => fieldName.test(path) && !Object.hasOwn(resource.fields, path))
    if (unknown !== undefined) {
      this.fault(
        `makes a ${failure.resource} with "${unknown.path}", which is no field of it`,
        `Use one of ${Object.keys(resource.fields).join(", ")}`
      )
    }
  }

  decided(plan: Plan, events: ReadonlyArray<string>, deliveries: ReadonlyArray<Delivery>): void {
    this.#runs++
    this.#decided++
    for (const { resource } of plan.changes) this.#seen.add(`Resource ${resource.name}`)
    for (const event of events) this.#seen.add(`DomainEvent ${event}`)
    for (const each of deliveries) {
      this.#seen.add(each._tag === "Send" ? `Action ${each.resource}.${each.action}` : `Workflow ${each.workflow}`)
    }
  }

  looked(): Looked {
    const { errors } = this.#action
    if (this.#runs > 0 && this.#decided === 0 && this.#failed.get("InvalidOutcome") === this.#runs) {
      const issues = this.#invalid.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`))
      this.fault(`never makes a row that its resource allows: ${issues.join("; ")}`, "Return a row that fits `fields`")
    }
    const touched = this.#action.touches().map((each) => {
      const name = each._tag === "Action" ? `${each.resource}.${each.name}` : each.name
      return { key: `${each._tag} ${name}`, words: `touches ${name}` }
    })
    const declared = [
      ...errors.map(ErrorBoundary.tagOf).map((tag) => ({ key: `fails with ${tag}`, words: `fails with ${tag}` })),
      ...touched
    ]
    const unseen = declared.filter(({ key }) => !this.#seen.has(key)).map(({ words }) => words)
    return {
      action: this.#place,
      // Each question is asked twice.
      runs: Math.ceil(this.#runs / 2),
      decided: Math.ceil(this.#decided / 2),
      failed: Object.fromEntries([...this.#failed].map(([tag, count]) => [tag, Math.ceil(count / 2)])),
      unseen: this.#decided === 0 ? ["an outcome", ...unseen] : unseen
    }
  }
}

/** The interpreter's own complaints say what to mend; anything else was thrown by the action. */
const describeThrow = (thrown: unknown, place: string): readonly [problem: string, mend: string] => {
  const said = thrown instanceof Error ? thrown.message : String(thrown)
  if (thrown instanceof TypeError && /read only|not extensible|Cannot delete property/.test(said)) {
    return [`changes what it was given: ${said}`, "Build a new value, as in `{ ...self, status }`"]
  }
  if (said.startsWith(`${place} `)) {
    const [problem = said, mend = "See its declaration"] = said.slice(place.length + 1).split("; ", 2)
    return [problem, mend.charAt(0).toUpperCase() + mend.slice(1)]
  }
  return [`throws: ${said}`, "Return a declared failure with `Result.fail`, or handle the case"]
}
