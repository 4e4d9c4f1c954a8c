/**
 * What can be done to a resource. An action is a pure, synchronous function from a row, an input and a context to an
 * `Outcome` or a declared failure. It is given no service and no promise: the interpreter performs what it decides.
 */
import type * as DateTime from "effect/DateTime"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Actor } from "./Actor.ts"
import type * as DomainEvent from "./DomainEvent.ts"
import type { Fields } from "./Field.ts"
import type { Load, Loaded, Loads } from "./Load.ts"
import type { Outcome } from "./Outcome.ts"
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
export type Touchable = Resource.Any | Any | Workflow.Any | DomainEvent.Any

/** Whether the object's row must exist before an action: `required` fails with `NotFound` where there is none. */
export type SelfRule = "required" | "optional" | "none"

/**
 * An action of a resource: what it takes, gives and may fail with, and the pure function that decides.
 * `Args` is what `decide` receives: `self`, `input` and `loaded`.
 */
export interface Action<out K extends Kind, Input, Output, out Failure, in Args> {
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
export interface Any {
  readonly _tag: "Action"
  readonly kind: Kind
  readonly resource: string
  readonly name: string
  readonly description: string | undefined
  readonly input: Schema.Codec<any, unknown>
  readonly output: Schema.Codec<any, unknown>
  readonly errors: ReadonlyArray<ErrorClass>
  readonly self: SelfRule
  readonly policy: Policy
  readonly touches: () => ReadonlyArray<Touchable>
  readonly load: LoadFunction | undefined
  readonly source: SourceFunction | undefined
  readonly decide: (args: never, context: ActionContext) => Result.Result<Outcome<any>, unknown>
}

/** What an action takes. */
export type InputOf<A extends Any> = A["input"]["Type"]

/** What an action gives. */
export type OutputOf<A extends Any> = A["output"]["Type"]

/** What an action may fail with by its own declaration. */
export type FailureOf<A extends Any> = A extends Action<any, any, any, infer E, never> ? E : never

/** What the body of an action may return: a value, an outcome, or a declared failure. */
export type Returns<Value, Output, Failure> = Value | Outcome<Output> | Result.Result<Value | Outcome<Output>, Failure>

type Row<F extends Fields> = Schema.Struct.Type<F>
type Draft<F extends Fields> = Schema.Struct.MakeIn<F>
type FailureFrom<E extends ReadonlyArray<ErrorClass>> = InstanceType<E[number]>

/** The row as an action sees it under a `SelfRule`. */
export type Self<F extends Fields, S extends SelfRule> = S extends "required"
  ? Row<F>
  : S extends "optional"
    ? Row<F> | undefined
    : undefined

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
  readonly load?: (args: {
    readonly self: S
    readonly input: Schema.Struct.Type<I>
    readonly context: ActionContext
  }) => L
}

/** What a body is called with. */
export interface Args<S, I extends Fields, L extends Loads> {
  readonly self: S
  readonly input: Schema.Struct.Type<I>
  readonly loaded: Loaded<L>
}

/** The compile error of a create without a body whose input leaves required fields out. */
export interface InputLeavesOut<Missing> {
  readonly "the input of a create without a body must cover these fields, or they need a default": Missing
}

type RequiredKeys<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? never : K }[keyof T]
type Covers<I extends Fields, F extends Fields> = [RequiredKeys<Draft<F>>] extends [keyof I]
  ? unknown
  : InputLeavesOut<Exclude<RequiredKeys<Draft<F>>, keyof I>>

/** Declares the actions of a resource with the fields `F`, one method per kind. */
export interface Builder<F extends Fields> {
  /** `Outcome.save` of the resource being declared, which cannot name itself. */
  save(draft: Draft<F>): Outcome<Row<F>>
  /** `Outcome.remove` of the resource being declared. */
  remove(key: string): Outcome<void>

  /** Inserts a row. Without a body the input over the defaults is saved. */
  create<const I extends Fields = {}, const E extends ReadonlyArray<ErrorClass> = []>(
    spec: Spec<I, E> & Covers<I, F>
  ): Action<"create", Schema.Struct.Type<I>, Row<F>, FailureFrom<E>, Args<undefined, I, {}>>
  create<const I extends Fields = {}, const E extends ReadonlyArray<ErrorClass> = [], L extends Loads = {}>(
    spec: Spec<I, E> & WithLoad<undefined, I, L>,
    body: (args: Args<undefined, I, L>, context: ActionContext) => Returns<Draft<F>, Row<F>, FailureFrom<E>>
  ): Action<"create", Schema.Struct.Type<I>, Row<F>, FailureFrom<E>, Args<undefined, I, L>>

  /** Saves the row that the body returns. */
  update<const I extends Fields = {}, const E extends ReadonlyArray<ErrorClass> = [], L extends Loads = {}>(
    spec: Spec<I, E> & WithLoad<Row<F>, I, L>,
    body: (args: Args<Row<F>, I, L>, context: ActionContext) => Returns<Row<F>, Row<F>, FailureFrom<E>>
  ): Action<"update", Schema.Struct.Type<I>, Row<F>, FailureFrom<E>, Args<Row<F>, I, L>>

  /** Removes the row, unless the body returns a failure. Further changes and directives go in an outcome. */
  destroy<const I extends Fields = {}, const E extends ReadonlyArray<ErrorClass> = [], L extends Loads = {}>(
    spec: Spec<I, E> & WithLoad<Row<F>, I, L>,
    body?: (args: Args<Row<F>, I, L>, context: ActionContext) => Returns<void, void, FailureFrom<E>>
  ): Action<"destroy", Schema.Struct.Type<I>, void, FailureFrom<E>, Args<Row<F>, I, L>>

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
  ): Action<"action", Schema.Struct.Type<I>, O["Type"], FailureFrom<E>, Args<Self<F, S>, I, L>>

  /** Answers from the row and its loads; writes nothing. */
  read<
    O extends Schema.Constraint,
    const I extends Fields = {},
    const E extends ReadonlyArray<ErrorClass> = [],
    L extends Loads = {}
  >(
    spec: Spec<I, E> & WithLoad<Row<F>, I, L> & { readonly output: O },
    body: (args: Args<Row<F>, I, L>, context: ActionContext) => O["Type"] | Result.Result<O["Type"], FailureFrom<E>>
  ): Action<"read", Schema.Struct.Type<I>, O["Type"], FailureFrom<E>, Args<Row<F>, I, L>>

  /** Answers with a stream: each row of `from`, in the order of keys, as the body maps it. */
  stream<O extends Schema.Constraint, Each, const I extends Fields = {}>(
    spec: Spec<I, []> & {
      readonly output: O
      readonly from: (args: {
        readonly self: Row<F>
        readonly input: Schema.Struct.Type<I>
      }) => Load<ReadonlyArray<Each>>
    },
    body: (args: { readonly self: Row<F>; readonly input: Schema.Struct.Type<I>; readonly row: Each }) => O["Type"]
  ): Action<
    "stream",
    Schema.Struct.Type<I>,
    O["Type"],
    never,
    { readonly self: Row<F>; readonly input: Schema.Struct.Type<I>; readonly row: Each }
  >
}

/** Names an action of a resource that cannot be imported where it is sent to; the registry checks that it exists. */
export const ref = <const I extends Fields = {}>(
  resource: string,
  name: string,
  options?: { readonly input?: I }
): Action<"action", Schema.Struct.Type<I>, unknown, never, never> => ({
  _tag: "Action",
  kind: "action",
  resource,
  name,
  description: undefined,
  input: Schema.Struct(options?.input ?? ({} as I)),
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
