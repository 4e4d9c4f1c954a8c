/** What is delivered after the write, of what an outcome asks for. */
import * as Duration from "effect/Duration"
import * as ActionJson from "./ActionJson.ts"
import type { Delivery } from "./Invocation.ts"
import type * as Outcome from "./Outcome.ts"
import type * as Registry from "./Registry.ts"

/** The delivery of a directive that may look at the rows as saved. */
export const of = (
  registry: Registry.Registry,
  directive: Exclude<Outcome.Directive, { readonly _tag: "Emit" }>,
  saved: Outcome.Saved
): Delivery => {
  switch (directive._tag) {
    case "Send": {
      const { name, resource } = directive.action
      const target = registry.action(resource, name)
      if (target === undefined)
        throw new Error(`A send to ${resource}.${name}, which is not in the registry; add it there`)
      return ofReady({ ...directive, action: target, input: () => directive.input(saved) })
    }
    case "StartWorkflow":
    case "Signal":
      return ofReady(directive)
  }
}

/** A directive that looks at no saved row, ready to be delivered. `Send` is one whose action is what it is sent to. */
export const ofReady = (
  directive:
    | Extract<Outcome.Directive, { readonly _tag: "StartWorkflow" | "Signal" }>
    | Omit<Extract<Outcome.Directive, { readonly _tag: "Send" }>, "fixed">
): Delivery => {
  switch (directive._tag) {
    case "Send": {
      const { name, resource } = directive.action
      return {
        _tag: "Send",
        resource,
        action: name,
        key: directive.key,
        input: ActionJson.encode(directive.action.input, directive.input([]), `${resource}.${name}`),
        delayMillis: millis(directive.delay)
      }
    }
    case "StartWorkflow": {
      const { name, input } = directive.workflow
      return {
        _tag: "StartWorkflow",
        workflow: name,
        key: directive.key,
        input: ActionJson.encode(input, directive.input, name),
        delayMillis: millis(directive.delay),
        ...(directive.fork === undefined ? {} : { fork: directive.fork }),
        ...(directive.as === undefined ? {} : { as: directive.as })
      }
    }
    case "Signal": {
      const schema = directive.workflow.signals[directive.signal]
      if (schema === undefined) throw new Error(`${directive.workflow.name} has no signal ${directive.signal}`)
      return {
        _tag: "Signal",
        workflow: directive.workflow.name,
        key: directive.key,
        signal: directive.signal,
        ...(directive.id === undefined ? {} : { id: directive.id }),
        payload: ActionJson.encode(schema, directive.payload, `${directive.workflow.name}.${directive.signal}`),
        ...delayed(directive)
      }
    }
  }
}

export const delayed = ({
  delay
}: {
  readonly delay?: Duration.Input | undefined
}): { readonly delayMillis?: number } => {
  const delayMillis = millis(delay)
  return delayMillis === 0 ? {} : { delayMillis }
}

const millis = (delay: Duration.Input | undefined) =>
  delay === undefined ? 0 : Math.max(0, Math.round(Duration.toMillis(delay)))
