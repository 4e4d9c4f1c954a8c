/**
 * Turns what a resource declares under `actions` into `Action`s: names them, and gives every kind of body one shape,
 * so that the interpreter knows outcomes only.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Action from "./Action.ts"
import type { Fields } from "./Field.ts"
import * as Outcome from "./Outcome.ts"
import * as Policy from "./Policy.ts"
import type * as Resource from "./Resource.ts"

interface AnySpec extends Action.Spec<Fields, ReadonlyArray<Action.ErrorClass>> {
  readonly load?: Action.LoadFunction
  readonly output?: Schema.Constraint
  readonly self?: Action.SelfRule
  readonly from?: Action.SourceFunction
}

type Body = (args: never, context: Action.ActionContext) => unknown

interface Declared {
  readonly kind: Policy.Kind
  readonly spec: AnySpec
  readonly body: Body | undefined
}

const declare =
  (kind: Policy.Kind) =>
  (spec: AnySpec, body?: Body): Declared => ({ kind, spec, body })

const declarations: { readonly [K in Policy.Kind]: (spec: AnySpec, body?: Body) => Declared } = {
  create: declare("create"),
  update: declare("update"),
  destroy: declare("destroy"),
  action: declare("action"),
  read: declare("read"),
  stream: declare("stream")
}

/** The builder handed to a resource's `actions`. What it makes is completed by `bind`, hence the one cast. */
export const builder = <F extends Fields>(resource: Resource.Any): Action.Builder<F> =>
  ({
    ...declarations,
    save: (draft: object) => Outcome.save(resource, draft),
    remove: (key: string) => Outcome.remove(resource, key)
  }) as unknown as Action.Builder<F>

/** Completes the declared actions of a resource: each learns its name and its resource. */
export const bind = <A extends Resource.Actions>(resource: Resource.Any, declared: A): A => {
  const actions: { [name: string]: Action.Any } = {}
  for (const [name, each] of Object.entries(declared)) actions[name] = complete(resource, name, each as never)
  return actions as A
}

const complete = (resource: Resource.Any, name: string, { kind, spec, body }: Declared): Action.Any => {
  const touches = spec.touches ?? []
  return {
    _tag: "Action",
    kind,
    resource: resource.name,
    name,
    description: spec.description,
    input: Schema.Struct(spec.input ?? {}) as Schema.Codec<unknown, unknown>,
    output: outputOf(resource, kind, spec) as Schema.Codec<unknown, unknown>,
    errors: spec.errors ?? [],
    self: kind === "create" ? "none" : (spec.self ?? "required"),
    policy: spec.policy ?? Policy.defaultFor(kind),
    touches: typeof touches === "function" ? touches : () => touches,
    load: spec.load,
    source: spec.from,
    decide: (args, context) => decide(resource, kind, body, args, context)
  }
}

const outputOf = (resource: Resource.Any, kind: Policy.Kind, spec: AnySpec): Schema.Constraint =>
  kind === "create" || kind === "update" ? resource.schema : (spec.output ?? Schema.Void)

const decide = (
  resource: Resource.Any,
  kind: Policy.Kind,
  body: Body | undefined,
  args: { readonly input: unknown },
  context: Action.ActionContext
): Result.Result<Outcome.Outcome<unknown>, unknown> => {
  const returned = body === undefined ? (kind === "create" ? args.input : undefined) : body(args as never, context)
  const decided = Result.isResult(returned) ? returned : Result.succeed(returned)
  if (Result.isFailure(decided)) return Result.fail(decided.failure)
  const value = decided.success
  const outcome = Outcome.isOutcome(value) ? value : outcomeOf(resource, kind, value)
  return Result.succeed(
    kind === "destroy" ? outcome.pipe(Outcome.also(Outcome.remove(resource, context.key))) : outcome
  )
}

const outcomeOf = (resource: Resource.Any, kind: Policy.Kind, value: unknown): Outcome.Outcome<unknown> =>
  kind === "create" || kind === "update" ? Outcome.save(resource, value as object) : Outcome.succeed(value)
