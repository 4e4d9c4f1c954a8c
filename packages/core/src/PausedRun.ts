/** What follows where a bug has paused a run: whoever waits for it is told, as the run itself can tell nobody. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Decision from "./Decision.ts"
import type { Delivery } from "./Invocation.ts"
import * as Undeliverable from "./Undeliverable.ts"
import type { Implementation } from "./Workflow.ts"

/** The deliveries of a run that was paused; none where its workflow asks for none, or its input cannot be read. */
export const deliveries = (
  { whenPaused, workflow }: Implementation,
  run: { readonly key: string; readonly input: Schema.Json },
  problem: string
): ReadonlyArray<Delivery> => {
  if (whenPaused === undefined) return []
  const input = Schema.decodeUnknownOption(Schema.toCodecJson(workflow.input))(run.input)
  if (Option.isNone(input)) return []
  const { directives } = whenPaused({ key: run.key, input: input.value, problem })
  return directives.flatMap((directive) =>
    directive._tag === "Emit" ? [] : [Undeliverable.refuse(Decision.deliveryOf(directive))]
  )
}
