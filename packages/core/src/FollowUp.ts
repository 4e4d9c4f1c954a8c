/** What follows where something befell a run that its program cannot tell of: others are told in its place. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as DirectiveDelivery from "./DirectiveDelivery.ts"
import type { Delivery } from "./Invocation.ts"
import type { Outcome } from "./Outcome.ts"
import * as Undeliverable from "./Undeliverable.ts"
import type { Befallen, Implementation } from "./Workflow.ts"

interface Run {
  readonly key: string
  readonly input: Schema.Json
}

/**
 * The deliveries of a run that a bug has paused; none where its workflow asks for none, or its input cannot be read.
 */
export const whenPaused = (
  { whenPaused, workflow }: Implementation,
  run: Run,
  problem: string
): ReadonlyArray<Delivery> =>
  deliveries(workflow.input, run, whenPaused && ((found) => whenPaused({ ...found, problem })))

/** The same for a run that its runtime had lost and that goes on from what is recorded of it. */
export const whenRevived = ({ whenRevived, workflow }: Implementation, run: Run): ReadonlyArray<Delivery> =>
  deliveries(workflow.input, run, whenRevived)

const deliveries = (
  schema: Schema.Codec<unknown, unknown>,
  run: Run,
  follow: ((run: Befallen<unknown>) => Outcome<unknown>) | undefined
): ReadonlyArray<Delivery> => {
  if (follow === undefined) return []
  const input = Schema.decodeUnknownOption(Schema.toCodecJson(schema))(run.input)
  if (Option.isNone(input)) return []
  return follow({ key: run.key, input: input.value }).directives.flatMap((directive) =>
    directive._tag === "Emit" ? [] : [Undeliverable.refuse(DirectiveDelivery.ofReady(directive))]
  )
}
