/** What a chat completions endpoint is asked: a prompt and its tools in that protocol's words. */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"

type Json = { readonly [member: string]: unknown }

/** The body of a request; fails where the prompt holds what the protocol cannot say. */
export const make = (
  model: string,
  options: LanguageModel.ProviderOptions,
  transformer: LanguageModel.CodecTransformer,
  stream: boolean
): Result.Result<Json, AiError.AiErrorReason> => {
  const messages: Array<Json> = []
  for (const message of options.prompt.content) {
    const written = messageOf(message)
    if (Result.isFailure(written)) return Result.fail(written.failure)
    messages.push(...written.success)
  }
  return Result.succeed({
    model,
    messages,
    ...toolsOf(options),
    ...formatOf(options, transformer),
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {})
  })
}

const messageOf = (message: Prompt.Message): Result.Result<ReadonlyArray<Json>, AiError.AiErrorReason> => {
  switch (message.role) {
    case "system":
      return Result.succeed([{ role: "system", content: message.content }])
    case "user":
      return Result.map(userContent(message.content), (content) => [{ role: "user", content }])
    case "assistant":
      return Result.succeed(assistantMessages(message.content))
    case "tool":
      return Result.succeed(message.content.flatMap(toolMessage))
  }
}

const userContent = (parts: Prompt.UserMessage["content"]): Result.Result<unknown, AiError.AiErrorReason> => {
  if (parts.every((part) => part.type === "text")) return Result.succeed(parts.map(({ text }) => text).join("\n"))
  const content: Array<Json> = []
  for (const part of parts) {
    if (part.type === "text") content.push({ type: "text", text: part.text })
    else if (part.mediaType.startsWith("image/")) content.push({ type: "image_url", image_url: { url: urlOf(part) } })
    else
      return Result.fail(
        new AiError.InvalidUserInputError({
          description: `files of type ${part.mediaType} cannot be sent to this model`
        })
      )
  }
  return Result.succeed(content)
}

const urlOf = ({ data, mediaType }: Prompt.FilePart): string =>
  data instanceof URL ? data.href : `data:${mediaType};base64,${typeof data === "string" ? data : Base64.encode(data)}`

const assistantMessages = (parts: Prompt.AssistantMessage["content"]): ReadonlyArray<Json> => {
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("")
  const calls = parts.flatMap((part) =>
    part.type === "tool-call"
      ? [{ id: part.id, type: "function", function: { name: part.name, arguments: argumentsOf(part.params) } }]
      : []
  )
  return text === "" && calls.length === 0
    ? []
    : [{ role: "assistant", content: text === "" ? null : text, ...(calls.length === 0 ? {} : { tool_calls: calls }) }]
}

/** Arguments that were no JSON are given back as they came. */
const argumentsOf = (params: unknown): string => (typeof params === "string" ? params : JSON.stringify(params ?? {}))

const toolMessage = (part: Prompt.ToolMessage["content"][number]): ReadonlyArray<Json> => {
  if (part.type !== "tool-result") return []
  const said =
    part.modelOutput === undefined
      ? JSON.stringify(part.result ?? null)
      : Prompt.toolModelOutputToText(part.modelOutput)
  return [{ role: "tool", tool_call_id: part.id, content: part.isFailure ? `The call failed: ${said}` : said }]
}

const toolsOf = ({ toolChoice, tools }: LanguageModel.ProviderOptions): Json =>
  tools.length === 0
    ? {}
    : {
        tools: tools.map((tool) => ({
          type: "function",
          function: {
            name: tool.name,
            description: Tool.getDescription(tool) ?? "",
            parameters: Tool.getJsonSchema(tool)
          }
        })),
        tool_choice:
          typeof toolChoice === "string"
            ? toolChoice
            : "tool" in toolChoice
              ? { type: "function", function: { name: toolChoice.tool } }
              : (toolChoice.mode ?? "auto")
      }

const formatOf = (
  { responseFormat }: LanguageModel.ProviderOptions,
  transformer: LanguageModel.CodecTransformer
): Json =>
  responseFormat.type === "text"
    ? {}
    : {
        response_format: {
          type: "json_schema",
          json_schema: {
            name: responseFormat.objectName,
            strict: true,
            schema: transformer(responseFormat.schema).jsonSchema
          }
        }
      }
