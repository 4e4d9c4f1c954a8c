/** Tools inside a run: each call of a handler is a step, unless the handler does durable things of its own. */
import type { Durable } from "@tenon/core/Durable"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ModelTrace from "./ModelTrace.ts"

/** A toolkit of any tools, its handlers at hand. */
export type Any = Toolkit.WithHandler<Record<string, Tool.Any>>

/** A toolkit as `LanguageModel` takes it. */
export type Given = Any | Effect.Effect<Any, unknown, unknown>

/** On a tool: its handler does steps, calls and questions of its own, so it is not a step itself. */
export const Stepwise = Context.Reference<boolean>("@tenon/agents/DurableToolkit/Stepwise", {
  defaultValue: () => false
})

/** What a call of a tool came to, as the journal keeps it and the model is told. */
export const ToolAnswer = Schema.Struct({ isFailure: Schema.Boolean, result: Schema.Json })
export interface ToolAnswer extends Schema.Schema.Type<typeof ToolAnswer> {}

/** How long a handler may take. */
const patience = "5 minutes"

/** The same toolkit with every handler durable. A failure, whatever the tool's mode, is an answer for the model. */
export const make = (durable: Durable["Service"], given: Given): Effect.Effect<Any, unknown, unknown> =>
  Effect.map(Effect.isEffect(given) ? given : Effect.succeed(given), (toolkit) => {
    const handle = (name: string, params: unknown, id?: string) => {
      const tool = Object.hasOwn(toolkit.tools, name) ? toolkit.tools[name] : undefined
      if (tool === undefined || Context.get(tool.annotations, Stepwise))
        return toolkit.handle(name, params as never, id)
      const answered = durable.step(`tool ${name}`, called(toolkit, tool, { params, id }), { success: ToolAnswer })
      return Effect.map(answered, ({ isFailure, result }) =>
        Stream.succeed({
          result: decoded(tool, isFailure, result),
          encodedResult: result,
          isFailure,
          preliminary: false
        })
      )
    }
    return { tools: toolkit.tools, handle: handle as Any["handle"] }
  })

interface Call {
  readonly params: unknown
  readonly id?: string | undefined
}

/** Runs a handler and gives its last result. */
const called = (toolkit: Any, tool: Tool.Any, { id, params }: Call): Effect.Effect<ToolAnswer> =>
  ModelTrace.sealed(
    Effect.flatMap(toolkit.handle(tool.name, params as never, id), (results) => Stream.runCollect(results))
  ).pipe(
    Effect.map((results) => {
      const final = results.findLast(({ preliminary }) => !preliminary)
      return { isFailure: final?.isFailure ?? true, result: asJson(final?.encodedResult) }
    }),
    Effect.catch((error: unknown) => Effect.succeed({ isFailure: true, result: told(tool, error) })),
    Effect.catchDefect((defect) =>
      Effect.as(Effect.logError(`The tool ${tool.name} has a bug`, defect), {
        isFailure: true,
        result: "Something unexpected happened."
      })
    ),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.succeed({ isFailure: true, result: "The tool did not answer in time." })
    })
  ) as Effect.Effect<ToolAnswer>

/** What a model is told of a failure: as its tool declares it, or else its message. */
const told = (tool: Tool.Any, error: unknown): Schema.Json => {
  const encode = Schema.encodeUnknownOption(failureOf(tool))
  return Option.match(encode(error), {
    onSome: asJson,
    onNone: () => (error instanceof Error ? error.message : "The tool failed.")
  })
}

const failureOf = (tool: Tool.Any): Schema.Codec<unknown> => {
  const schema: Schema.Constraint = Tool.failureResultSchema(tool)
  return schema as Schema.Codec<unknown>
}

const asJson = (value: unknown): Schema.Json => JSON.parse(JSON.stringify(value ?? null)) as Schema.Json

const decoded = (tool: Tool.Any, isFailure: boolean, result: Schema.Json): unknown => {
  const decode = Schema.decodeUnknownOption(isFailure ? failureOf(tool) : (tool.successSchema as Schema.Codec<unknown>))
  // An encoding may hold what JSON does not, such as the absence of a value.
  return Option.getOrElse(decode(result), () => Option.getOrElse(decode(undefined), () => result))
}
