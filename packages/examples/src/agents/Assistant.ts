/** An agent that a language model drives: it makes, reads and removes widgets, the last only once a person agrees. */
import * as ActionTool from "@tenon/agents/ActionTool"
import * as Agent from "@tenon/agents/Agent"
import * as Conversation from "@tenon/agents/Conversation"
import * as ModelOpenAi from "@tenon/agents/ModelOpenAi"
import * as ModelScripted from "@tenon/agents/ModelScripted"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import { Widget } from "../widget/Widget.ts"

const widgets = ActionTool.toolkit(
  ActionTool.make(Widget.actions.create, { description: "Makes a widget with a name." }),
  ActionTool.make(Widget.actions.get, { description: "Reads a widget." }),
  ActionTool.make(Widget.actions.remove, { description: "Removes a widget for good." })
)

/** Answers in the thread with the help of the host's model. */
export const assistant = Agent.make(
  "assistant",
  Effect.fn("assistant")(function* (ctx) {
    const { text } = yield* Conversation.run({
      system: "You look after the widgets of one customer. Use the tools; say briefly what you did.",
      prompt: Conversation.fromHistory(yield* ctx.history),
      toolkit: widgets
    })
    yield* ctx.writeMessage(text)
  })
)

const idIn = (results: ReadonlyArray<{ readonly result: unknown }>): string => {
  const [{ result } = { result: undefined }] = results
  return typeof result === "object" && result !== null && "id" in result ? String(result.id) : "unknown"
}

/** What the model says where there is none: enough for a demo and for tests. */
export const script: ModelScripted.Script = (asked) => {
  const [, verb = "", rest = ""] = /^(make|remove)\s+(.+)$/i.exec(asked.text.trim()) ?? []
  const name = rest.trim()
  if (verb.toLowerCase() === "make")
    switch (asked.round) {
      case 0:
        return {
          text: ["I will make ", `"${name}". `],
          calls: [{ name: "Widget_create", params: { input: { name } } }]
        }
      case 1:
        return ModelScripted.call("Widget_get", { key: idIn(asked.results) })
      default:
        return ModelScripted.say(["Done: ", `the widget "${name}" `, `is ${idIn(asked.results)}.`])
    }
  if (verb.toLowerCase() === "remove")
    return asked.round === 0
      ? ModelScripted.call("Widget_remove", { key: name })
      : ModelScripted.say(asked.results.some(({ isFailure }) => isFailure) ? "I left it where it is." : "It is gone.")
  return ModelScripted.say('Say "make" and a name, or "remove" and an id.')
}

/** A model that follows the script. */
export const layerScripted = ModelScripted.layer(script)

/** The model that `MODEL_URL` names, or else the scripted one. */
export const layerModel = ModelOpenAi.layerConfigOr(layerScripted).pipe(
  Layer.provide(FetchHttpClient.layer),
  Layer.orDie
)
