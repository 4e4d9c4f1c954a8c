/**
 * What an action decided, as data: rows to save or remove, messages to send once they are saved, and the result.
 *
 * Nothing here performs anything. The interpreter saves the rows in one tenant transaction and a `Runtime` delivers
 * the directives, in order, after it.
 */
import type * as Duration from "effect/Duration"
import { type Pipeable, Prototype as PipeablePrototype } from "effect/Pipeable"
import type * as Action from "./Action.ts"
import type { Principal } from "./Actor.ts"
import type * as DomainEvent from "./DomainEvent.ts"
import { erase } from "./Erase.ts"
import type * as Resource from "./Resource.ts"
import type { Fork } from "./RunJournal.ts"
import type * as Workflow from "./Workflow.ts"

/** Rows as they stand after a save, in the order of the changes; `undefined` for a removal. */
export type Saved = ReadonlyArray<object | undefined>

/** A change to one row. */
export type RowChange =
  | { readonly _tag: "Save"; readonly resource: Resource.Any; readonly draft: object }
  | { readonly _tag: "Remove"; readonly resource: Resource.Any; readonly key: string }

/** Something to do after the rows are committed. `input` is built from the rows as they stand after the save. */
export type Directive =
  | {
      readonly _tag: "Send"
      readonly action: Action.Any
      readonly key: string
      readonly input: (saved: Saved) => unknown
      readonly delay: Duration.Input | undefined
      /** True where the input does not depend on the rows. */
      readonly fixed: boolean
    }
  | {
      readonly _tag: "StartWorkflow"
      readonly workflow: Workflow.Any
      readonly key: string
      readonly input: unknown
      readonly delay: Duration.Input | undefined
      readonly fork: Fork | undefined
      readonly as: Principal | undefined
    }
  | {
      readonly _tag: "Signal"
      readonly workflow: Workflow.Any
      readonly key: string
      readonly signal: string
      readonly id?: string
      readonly payload: unknown
      readonly delay?: Duration.Input
    }
  | {
      readonly _tag: "Emit"
      readonly event: DomainEvent.Any
      readonly payload: unknown
      readonly delay: Duration.Input | undefined
    }

const TypeId = "~tenon/Outcome"

/** Rows to change, directives to carry out, and how to get the result `A` once the rows are saved. */
export interface Outcome<out A> extends Pipeable {
  readonly [TypeId]: { readonly _A: (_: never) => A }
  readonly rows: ReadonlyArray<RowChange>
  readonly directives: ReadonlyArray<Directive>
  /** Builds the result from the rows as they stand after the save, in the order of `rows`. */
  readonly result: (saved: ReadonlyArray<object | undefined>) => A
  /** True where `result` does not look at the saved rows. */
  readonly fixed: boolean
  /** Where the result is a saved row as such: which one of `rows`. */
  readonly row: number | undefined
}

interface Parts<A> {
  readonly rows: ReadonlyArray<RowChange>
  readonly directives: ReadonlyArray<Directive>
  readonly result: (saved: ReadonlyArray<object | undefined>) => A
  readonly fixed: boolean
  readonly row: number | undefined
}

const make = <A>(parts: Parts<A>): Outcome<A> =>
  Object.assign(Object.create(PipeablePrototype), { [TypeId]: {}, ...parts })

/** The most changes of rows, and the most directives, that one outcome may have: all of it is one transaction. */
export const limit = 10_000

/** Whether a value is an `Outcome`. */
export const isOutcome = (value: unknown): value is Outcome<unknown> =>
  typeof value === "object" && value !== null && TypeId in value

/** No change; the result is `value`. */
export const succeed = <A>(value: A): Outcome<A> =>
  make({ rows: [], directives: [], result: () => value, fixed: true, row: undefined })

/** No change and no result. */
export const nothing: Outcome<void> = succeed(undefined)

/** Saves a row; fields with a default may be left out. The result is the row that stands after the save. */
export const save = <R extends Resource.Typed, D extends Resource.Draft<R>>(
  resource: R,
  draft: D & Action.NoExcess<D, Resource.Row<R>>
): Outcome<Resource.Row<R>> =>
  make({
    rows: [{ _tag: "Save", resource: erase(resource), draft }],
    directives: [],
    result: (saved) => saved[0] as Resource.Row<R>,
    fixed: false,
    row: 0
  })

/** Removes the row with this key, if there is one. */
export const remove = <R extends Resource.Typed>(resource: R, key: string): Outcome<void> =>
  make({
    rows: [{ _tag: "Remove", resource: erase(resource), key }],
    directives: [],
    result: () => undefined,
    fixed: true,
    row: undefined
  })

/** Adds to an outcome and keeps its result: what `when` and `forEach` take, and what `pipe` applies. */
export interface Addition<A> {
  (self: Outcome<A>): Outcome<A>
}

/**
 * What `send`, `startWorkflow`, `signal` and `emit` give: no outcome, but what any outcome's `pipe` takes, as in
 * `Outcome.nothing.pipe(Outcome.emit(…))`. Named so that the compiler says so where one is returned as it is.
 */
export interface AdditionToAnOutcome {
  <A>(self: Outcome<A>): Outcome<A>
}

/** A directive of an outcome whose rows have come to stand after `count` others. */
const after = (count: number, directive: Directive): Directive =>
  directive._tag === "Send" && !directive.fixed
    ? { ...directive, input: (saved) => directive.input(saved.slice(count)) }
    : directive

/** Adds the changes and directives of another outcome, after one's own. */
export const also =
  (that: Outcome<unknown>) =>
  <A>(self: Outcome<A>): Outcome<A> =>
    make({
      rows: [...self.rows, ...that.rows],
      directives: [...self.directives, ...that.directives.map((each) => after(self.rows.length, each))],
      result: self.result,
      fixed: self.fixed,
      row: self.row
    })

/** Adds the changes and directives of another outcome, after one's own, and takes its result. */
export const andThen =
  <B>(that: Outcome<B>) =>
  (self: Outcome<unknown>): Outcome<B> =>
    make({
      rows: [...self.rows, ...that.rows],
      directives: [...self.directives, ...that.directives.map((each) => after(self.rows.length, each))],
      result: (saved) => that.result(saved.slice(self.rows.length)),
      fixed: that.fixed,
      row: that.row === undefined ? undefined : self.rows.length + that.row
    })

/** Builds another result from the one that stands after the save. `f` must be pure. */
export const map =
  <A, B>(f: (result: A) => B) =>
  (self: Outcome<A>): Outcome<B> =>
    make({
      rows: self.rows,
      directives: self.directives,
      result: (saved) => f(self.result(saved)),
      fixed: self.fixed,
      row: undefined
    })

/** Replaces the result. */
export const as =
  <B>(value: B) =>
  (self: Outcome<unknown>): Outcome<B> =>
    make({ rows: self.rows, directives: self.directives, result: () => value, fixed: true, row: undefined })

/** Makes the addition where the condition holds. */
export const when =
  <A>(condition: boolean, addition: Addition<A>) =>
  (self: Outcome<A>): Outcome<A> =>
    condition ? addition(self) : self

/** Makes an addition for every item, in order. */
export const forEach =
  <A, T>(items: Iterable<T>, addition: (item: T) => Addition<A>) =>
  (self: Outcome<A>): Outcome<A> => {
    let outcome = self
    for (const item of items) outcome = addition(item)(outcome)
    return outcome
  }

const direct =
  (directive: Directive): AdditionToAnOutcome =>
  (self) =>
    make({ ...self, directives: [...self.directives, directive] })

/** When a message is delivered: at once, or no sooner than `delay` after the commit. */
export interface Delayed {
  readonly delay?: Duration.Input
}

/** Calls an action of another object, one way, once the rows are committed. */
export const send = <T extends Action.Any>(action: T, key: string, input: Action.InputOf<T>, options?: Delayed) =>
  direct({ _tag: "Send", action, key, input: () => input, delay: options?.delay, fixed: true })

/** Like `send`, with an input built from the result as it stands after the save, assigned position included. */
export const sendAfter =
  <A, T extends Action.Any>(
    action: T,
    key: string,
    input: (result: A) => Action.InputOf<T>,
    options?: Delayed
  ): Addition<A> =>
  (self) =>
    direct({
      _tag: "Send",
      action,
      key,
      input: (saved) => input(self.result(saved)),
      delay: options?.delay,
      fixed: false
    })(self)

/** Starts a workflow once the rows are committed; a run with the same key is started once. */
export const startWorkflow = <W extends Workflow.Any>(
  workflow: W,
  options: {
    readonly key: string
    readonly input: Workflow.InputOf<W>
    /** A run whose first operations this one takes over. */
    readonly fork?: Fork
    /** On whose behalf, within the tenant. Default: the actor's whose action this is. */
    readonly as?: Principal
  } & Delayed
) => direct({ _tag: "StartWorkflow", workflow, delay: undefined, fork: undefined, as: undefined, ...options })

/** Sends a signal to a workflow's run once the rows are committed. `id` tells apart several signals of one name. */
export const signal = <W extends Workflow.Any, S extends keyof Workflow.SignalsOf<W> & string>(
  workflow: W,
  options: {
    readonly key: string
    readonly signal: S
    readonly payload: Workflow.SignalsOf<W>[S]
    readonly id?: string
  } & Delayed
) => direct({ _tag: "Signal", workflow, ...options })

/** Records a domain event in the outbox, in the transaction that saves the rows; due at once, or after the delay. */
export const emit = <E extends DomainEvent.Any>(event: E, payload: DomainEvent.PayloadOf<E>, options?: Delayed) =>
  direct({ _tag: "Emit", event, payload, delay: options?.delay })
