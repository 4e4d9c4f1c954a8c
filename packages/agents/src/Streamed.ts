/** Words of a program's own, shown to those who watch the run while a step is at work, as a model's are. */
import type { StepOptions } from "@tenon/core/Durable"
import type { Draft } from "@tenon/core/RunEvents"
import * as Effect from "effect/Effect"
import type { Run } from "./RunSetting.ts"

/** What a body says its words with. */
export interface Emit {
  (words: string): Effect.Effect<void>
}

/** Does a step, and shows what its body emits. Another attempt of it has those who watch forget the words before. */
export const stream = <A, E, R>(
  { durable, events, nextKey }: Run,
  name: string,
  body: (emit: Emit) => Effect.Effect<A, E, R>,
  options: StepOptions<A, E> | undefined
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const step = nextKey("stream").slice(durable.key.length + 1)
    const tell = (draft: Draft) => events.publish(durable.actor, durable.key, draft)
    const state = (state: "begun" | "ended" | "failed", otherwise?: Draft) =>
      tell({
        type: "step",
        data: { step, name, state },
        key: `${step}/${state === "begun" ? "begun" : "ended"}`,
        ...(otherwise === undefined ? {} : { otherwise })
      })
    const emit: Emit = (words) => tell({ type: "token", data: { step, text: words } })
    const begun = state("begun", { type: "truncate", data: { step } })
    return durable
      .step(
        name,
        Effect.andThen(
          begun,
          Effect.suspend(() => body(emit))
        ),
        options
      )
      .pipe(
        Effect.tap(() => state("ended")),
        Effect.tapError(() => state("failed"))
      )
  })
