/**
 * What can be done to a resource. An action is a pure, synchronous function from a row, an input and a context to an
 * `Outcome` or a declared failure. It is given no service and no promise: the interpreter performs what it decides.
 */
import type * as DateTime from "effect/DateTime"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Actor } from "./Actor.ts"
import type * as DomainEvent from "./DomainEvent.ts"
import type { Draft, Fields, RequiredKeys, Values } from "./Field.ts"
import type { Load, Loaded, Loads } from "./Load.ts"
import type { AdditionToAnOutcome, Outcome } from "./Outcome.ts"
import type { Kind, Policy } from "./Policy.ts"
import type * as Resource from "./Resource.ts"
import type * as Workflow from "./Workflow.ts"

/** All that an action may know besides its arguments. The same context gives the same outcome. */
export interface ActionContext {
  readonly tenantId: string
  readonly actor: Actor
  /** The key of the object at hand; the key of the new row for a create. */
  readonly key: string
  readonly now: DateTime.Utc
  /** A new id; the n-th call within one action gives the n-th id of its context. */
  readonly newId: () => string
}

/** A declared failure: a class made by `Schema.TaggedError`, annotated with `httpStatus` (default 422). */
export interface ErrorClass extends Schema.Constraint {
  readonly DecodingServices: never
  readonly EncodingServices: never
  new (...args: ReadonlyArray<any>): { readonly _tag: string; readonly message: string }
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Augment {
      /** The HTTP status of a declared failure; the status of a Restate terminal error too. */
      readonly httpStatus?: number | undefined
      /** Whether the same request may succeed later without a change. */
      readonly retryable?: boolean | undefined
    }
  }
}

/** Something that an action's outcome may name. */
export type Touchable = Resource.Typed | Any | Workflow.Any | DomainEvent.Any

/** Whether the object's row must exist before an action: `required` fails with `NotFound` where there is none. */
export type SelfRule = "required" | "optional" | "none"

/**
 * An action of a resource: what it takes, gives and may fail with, and the pure function that decides.
 * `Args` is what `decide` receives: `self`, `input` and `loaded`.
 */
export interface Action<out K extends Kind, out Input, out Output, out Failure, in Args> {
  readonly _tag: "Action"
  readonly kind: K
  /** The resource's name. */
  readonly resource: string
  readonly name: string
  readonly description: string | undefined
  readonly input: Schema.Codec<Input, unknown>
  readonly output: Schema.Codec<Output, unknown>
  readonly errors: ReadonlyArray<ErrorClass>
  readonly self: SelfRule
  readonly policy: Policy
  /** What the outcome may save, remove, send to, start or emit, besides the resource's own row. */
  readonly touches: () => ReadonlyArray<Touchable>
  readonly load: LoadFunction | undefined
  /** The rows that a stream maps, for kind `stream`. */
  readonly source: SourceFunction | undefined
  readonly decide: (args: Args, context: ActionContext) => Result.Result<Outcome<Output>, Failure>
}

/** Works out an action's loads. */
export type LoadFunction = (args: {
  readonly self: never
  readonly input: never
  readonly context: ActionContext
}) => Loads

/** Works out the rows of a stream. */
export type SourceFunction = (args: { readonly self: never; readonly input: never }) => Load<ReadonlyArray<object>>

/** Any action. */
export type Any = Action<Kind, any, any, unknown, never>

/** What an action takes. */
export type InputOf<A extends Any> = A["input"]["Type"]

/** What an action gives. */
export type OutputOf<A extends Any> = A["output"]["Type"]

/** What an action may fail with by its own declaration. */
export type FailureOf<A extends Any> = A extends Action<any, any, any, infer E, never> ? E : never

/** What the body of an action may return: a value, an outcome, or a declared failure. */
export type Returns<Value, Output, Failure> = Value | Outcome<Output> | Result.Result<Value | Outcome<Output>, Failure>

type FailureFrom<E extends ReadonlyArray<ErrorClass>> = E[number]["Type"]

/** The row as an action sees it under a `SelfRule`. */
export type Self<F extends Fields, S extends SelfRule> = S extends "required"
  ? Values<F>
  : S extends "optional"
    ? Values<F> | undefined
    : undefined

/**
 * Refuses a field that a row does not have. Needed because TypeScript checks no object with a spread in it for excess
 * properties, and `{ ...self, statuss: "OPEN" }` is what bodies return. A value inside `Result.succeed` escapes it, and
 * is refused when it is saved.
 */
export type NoExcess<Returned, Row> = [ExcessKeys<Returned, Row>] extends [never]
  ? Returned extends AdditionToAnOutcome
    ? NoOutcome
    : unknown
  : { readonly [K in ExcessKeys<Returned, Row>]?: NoSuchField }

type ExcessKeys<Returned, Row> = [keyof Row] extends [never]
  ? never
  : Returned extends Outcome<unknown> | Result.Result<unknown, unknown>
    ? never
    : Exclude<keyof Returned, keyof Row>

/** The compile error of a field that the resource does not have. */
export interface NoSuchField {
  readonly "the resource has no such field": never
}

/** The compile error of an addition to an outcome in the place of one: a function passes for a row with a `name`. */
export interface NoOutcome {
  readonly "give this to an outcome's pipe, as in Outcome.nothing.pipe(...)": never
}

/** What every kind of action can declare. */
export interface Spec<I extends Fields, E extends ReadonlyArray<ErrorClass>> {
  readonly input?: I
  /** Every failure that the body may return. */
  readonly errors?: E
  readonly description?: string
  /** Who may; where absent, it follows from the kind. */
  readonly policy?: Policy
  /** What the outcome may name besides the resource's own row. A function where modules refer to each other. */
  readonly touches?: ReadonlyArray<Touchable> | (() => ReadonlyArray<Touchable>)
}

/** Declares the reads that an action needs beyond its own row. */
export interface WithLoad<S, I extends Fields, L extends Loads> {
  readonly load?: (args: { readonly self: S; readonly input: Values<I>; readonly context: ActionContext }) => L
}

/** What a body is called with. */
export interface Args<S, I extends Fields, L extends Loads> {
  readonly self: S
  readonly input: Values<I>
  readonly loaded: Loaded<L>
}

/** The compile error of a create without a body whose input leaves required fields out. */
export interface InputLeavesOut<Missing> {
  readonly "the input of a create without a body must cover these fields, or they need a default": Missing
}

/** The compile error of a create without a body whose input has more than the resource's fields. */
export interface InputGoesBeyond<Excess> {
  readonly "the input of a create without a body has these, which are no fields of the resource": Excess
}

type Covers<I extends Fields, F extends Fields> = [RequiredKeys<F>] extends [keyof I]
  ? [keyof I] extends [keyof F]
    ? unknown
    : InputGoesBeyond<Exclude<keyof I, keyof F>>
  : InputLeavesOut<Exclude<RequiredKeys<F>, keyof I>>

/** Declares the actions of a resource with the fields `F`, one method per kind. */
export interface Builder<F extends Fields> {
  /** `Outcome.save` of the resource being declared, which cannot name itself. */
  save<D extends Draft<F>>(draft: D & NoExcess<D, F>): Outcome<Values<F>>
  /** `Outcome.remove` of the resource being declared. */
  remove(key: string): Outcome<void>

  /** Inserts a row. Without a body the input over the defaults is saved. */
  create<const I extends Fields = {}, const E extends ReadonlyArray<ErrorClass> = []>(
    spec: Spec<I, E> & Covers<I, F>
  ): Action<"create", Values<I>, Values<F>, FailureFrom<E>, Args<undefined, I, {}>>
  create<
    const I extends Fields = {},
    const E extends ReadonlyArray<ErrorClass> = [],
    L extends Loads = {},
    B extends Returns<Draft<F>, Values<F>, FailureFrom<E>> = Draft<F>
  >(
    spec: Spec<I, E> & WithLoad<undefined, I, L>,
    body: (args: Args<undefined, I, L>, context: ActionContext) => B & NoExcess<B, F>
  ): Action<"create", Values<I>, Values<F>, FailureFrom<E>, Args<undefined, I, L>>

  /** Saves the row that the body returns. */
  update<
    const I extends Fields = {},
    const E extends ReadonlyArray<ErrorClass> = [],
    L extends Loads = {},
    B extends Returns<Values<F>, Values<F>, FailureFrom<E>> = Values<F>
  >(
    spec: Spec<I, E> & WithLoad<Values<F>, I, L>,
    body: (args: Args<Values<F>, I, L>, context: ActionContext) => B & NoExcess<B, F>
  ): Action<"update", Values<I>, Values<F>, FailureFrom<E>, Args<Values<F>, I, L>>

  /** Removes the row, unless the body returns a failure. Further changes and directives go in an outcome. */
  destroy<const I extends Fields = {}, const E extends ReadonlyArray<ErrorClass> = [], L extends Loads = {}>(
    spec: Spec<I, E> & WithLoad<Values<F>, I, L>,
    body?: (args: Args<Values<F>, I, L>, context: ActionContext) => Returns<void, void, FailureFrom<E>>
  ): Action<"destroy", Values<I>, void, FailureFrom<E>, Args<Values<F>, I, L>>

  /** Decides all its writes itself, in an outcome; one at a time per object. */
  action<
    O extends Schema.Constraint = typeof Schema.Void,
    const I extends Fields = {},
    const E extends ReadonlyArray<ErrorClass> = [],
    L extends Loads = {},
    S extends "required" | "optional" = "required"
  >(
    spec: Spec<I, E> & WithLoad<Self<F, S>, I, L> & { readonly output?: O; readonly self?: S },
    body: (args: Args<Self<F, S>, I, L>, context: ActionContext) => Returns<never, O["Type"], FailureFrom<E>>
  ): Action<"action", Values<I>, O["Type"], FailureFrom<E>, Args<Self<F, S>, I, L>>

  /** Answers from the row and its loads; writes nothing. */
  read<
    O extends Schema.Constraint,
    const I extends Fields = {},
    const E extends ReadonlyArray<ErrorClass> = [],
    L extends Loads = {}
  >(
    spec: Spec<I, E> & WithLoad<Values<F>, I, L> & { readonly output: O },
    body: (args: Args<Values<F>, I, L>, context: ActionContext) => O["Type"] | Result.Result<O["Type"], FailureFrom<E>>
  ): Action<"read", Values<I>, O["Type"], FailureFrom<E>, Args<Values<F>, I, L>>

  /** Answers with a stream: each row of `from`, in the order of keys, as the body maps it. */
  stream<O extends Schema.Constraint, Each, const I extends Fields = {}>(
    spec: Spec<I, []> & {
      readonly output: O
      readonly from: (args: { readonly self: Values<F>; readonly input: Values<I> }) => Load<ReadonlyArray<Each>>
    },
    body: (args: { readonly self: Values<F>; readonly input: Values<I>; readonly row: Each }) => O["Type"]
  ): Action<
    "stream",
    Values<I>,
    O["Type"],
    never,
    { readonly self: Values<F>; readonly input: Values<I>; readonly row: Each }
  >
}

/** Names an action of a resource that cannot be imported where it is sent to; the registry checks that it exists. */
export const ref = <const I extends Fields = {}>(
  resource: string,
  name: string,
  options?: { readonly input?: I }
): Action<"action", Values<I>, unknown, never, never> => ({
  _tag: "Action",
  kind: "action",
  resource,
  name,
  description: undefined,
  input: Schema.Struct(options?.input ?? ({} as I)) as Schema.Codec<Values<I>, unknown>,
  output: Schema.Unknown,
  errors: [],
  self: "optional",
  policy: { _tag: "Nobody" },
  touches: () => [],
  load: undefined,
  source: undefined,
  decide: () => {
    throw new Error(`${resource}.${name} is a reference; perform the action itself`)
  }
})

/** Whether an action writes nothing. */
export const isRead = (action: Any): boolean => action.kind === "read" || action.kind === "stream"
