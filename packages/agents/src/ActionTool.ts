/**
 * Actions of resources as tools of a language model: called under the run's tenant and actor, judged by the policy as
 * any caller from outside, and told no more than that actor is shown. What removes something asks a person first.
 */
import * as Action from "@tenon/core/Action"
import * as ActionJson from "@tenon/core/ActionJson"
import * as ErrorBoundary from "@tenon/core/ErrorBoundary"
import * as Field from "@tenon/core/Field"
import * as Sensitive from "@tenon/core/Sensitive"
import * as Storable from "@tenon/core/Storable"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type AgentContext, CurrentRun } from "./AgentContext.ts"
import * as DurableToolkit from "./DurableToolkit.ts"

/** Why an action was not done, for the model. */
export const ActionRefused = Schema.Struct({
  /** The failure's tag, as the action or the framework declares it; `Declined` where a person said no. */
  error: Schema.String,
  message: Schema.String,
  /** The failure's own fields. */
  detail: Schema.optionalKey(Schema.Json)
})

/** How an action is offered. */
export interface Options {
  /** Default: the resource and the action, as in `Widget_create`. */
  readonly name?: string
  /** What the model is told it does. Default: the action's description. */
  readonly description?: string
  /** Whether a person must agree to each call. Default: only where the action is a destroy. */
  readonly confirm?: boolean
  /** How long the question stands. Default: one day. */
  readonly confirmWithin?: Duration.Input
}

type Config = {
  readonly parameters: Schema.Codec<Call, unknown>
  readonly success: typeof Schema.Json
  readonly failure: typeof ActionRefused
  readonly failureMode: "return"
}

/** An action as a tool. */
export interface ActionTool extends Tool.Tool<string, Config, CurrentRun> {
  readonly action: Action.Any
  readonly options: Options
}

/** What a model gives. */
interface Call {
  readonly key?: string
  readonly input?: unknown
}

const Approval = Schema.Struct({ approve: Schema.Boolean, note: Schema.optionalKey(Schema.String) })

/** Offers an action. The model gives the row's key, but for a create, and the action's input. */
export const make = (action: Action.Any, options: Options = {}): ActionTool => {
  const tool = Tool.make(options.name ?? `${action.resource}_${action.name}`, {
    description: options.description ?? action.description ?? `${action.name} of ${action.resource}`,
    parameters: parametersOf(action),
    success: Schema.Json,
    failure: ActionRefused,
    failureMode: "return",
    dependencies: [CurrentRun]
  })
    .annotate(DurableToolkit.Stepwise, true)
    .annotate(Tool.Readonly, Action.isRead(action))
    .annotate(Tool.Destructive, action.kind === "destroy")
  return Object.assign(tool, { action, options }) as ActionTool
}

/** A toolkit of actions, for `LanguageModel` and `Conversation`. */
export const toolkit = (
  ...tools: ReadonlyArray<ActionTool>
): Effect.Effect<Toolkit.WithHandler<Record<string, ActionTool>>> => {
  const all = Toolkit.make(...tools)
  const handlers = Object.fromEntries(tools.map((tool) => [tool.name, (call: Call) => handle(tool, call)]))
  return Effect.flatMap(
    all.toHandlers(handlers as never),
    (context) => Effect.provideContext(all, context) as Effect.Effect<Toolkit.WithHandler<Record<string, ActionTool>>>
  )
}

const takesKey = ({ kind }: Action.Any) => kind !== "create"

const parametersOf = (action: Action.Any): Schema.Codec<Call, unknown> => {
  const input = Schema.toCodecJson(action.input)
  const fields = Predicate.hasProperty(action.input, "fields") ? action.input.fields : undefined
  const empty = Predicate.isObject(fields) && Object.keys(fields).length === 0
  const parameters: { readonly [name: string]: Schema.Codec<unknown, unknown> } = {
    ...(takesKey(action) ? { key: Field.Identifier } : {}),
    ...(empty ? {} : { input })
  }
  return Schema.Struct(parameters) as Schema.Codec<Call, unknown>
}

const refused = (error: string, message: string, detail?: Schema.Json): typeof ActionRefused.Type => ({
  error,
  message,
  ...(detail === undefined ? {} : { detail })
})

const handle = Effect.fnUntraced(function* (tool: ActionTool, { input = {}, key: given }: Call) {
  const { action } = tool
  const run = yield* CurrentRun
  const json = ActionJson.encode(action.input, input, action)
  yield* Effect.mapError(
    Effect.fromResult(
      Storable.checkRequest({ resource: action.resource, action: action.name, key: given, input: json })
    ),
    asRefusal(action)
  )
  if (tool.options.confirm ?? action.kind === "destroy") yield* confirmed(run, tool, given, json)
  const key = given ?? (yield* run.newId)
  const output = yield* Effect.mapError(run.call(action, key, input, { origin: "door" }), asRefusal(action))
  const shown = ActionJson.encode(action.output, output, action)
  return Sensitive.hider(action.output, run.actor.roles)?.(shown) ?? shown
})

const asRefusal = (action: Action.Any) => (failure: unknown) => {
  const { detail, message, tag } = ErrorBoundary.show(failure, action.errors)
  return refused(tag, message, detail)
}

/** Asks a person; anything but a yes is a refusal that the model is told. */
const confirmed = Effect.fnUntraced(function* (
  run: AgentContext<unknown>,
  { action, options }: ActionTool,
  key: string | undefined,
  input: Schema.Json
) {
  const what = `${action.name} ${action.resource}${key === undefined ? "" : ` ${key}`}`
  const more = JSON.stringify(input)
  const prompt = `May I ${what}${more === "{}" ? "" : ` with ${more.slice(0, 1000)}`}?`
  const answer = yield* Effect.mapError(run.ask(prompt, Approval, { expires: options.confirmWithin ?? "1 day" }), () =>
    refused("Declined", "Nobody agreed in time.")
  )
  if (!answer.approve) return yield* Effect.fail(refused("Declined", answer.note ?? "A person said no."))
})
