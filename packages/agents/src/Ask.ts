/** Human in the loop: a question in the thread, and the run put aside until somebody answers or its time has passed. */
import * as Issues from "@tenon/core/Issues"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AskExpired } from "./AgentFailure.ts"
import * as JsonAnswer from "./JsonAnswer.ts"
import { Question } from "./Question.ts"
import { after, type Run, settled, until } from "./RunSetting.ts"
import { say } from "./Say.ts"
import { Thread } from "./Thread.ts"

/** Asks until an answer fits. What JSON Schema can say is checked where the answer comes in; the rest here. */
export const ask = <A, I>(
  run: Run,
  prompt: string,
  answer: Schema.Codec<A, I>,
  expires: Duration.Input | undefined
): Effect.Effect<A, AskExpired> =>
  Effect.gen(function* () {
    const expiresAt = expires === undefined ? undefined : yield* after(expires)
    const schema = JsonAnswer.jsonSchemaOf(answer)
    const decode = Schema.decodeUnknownResult(Schema.toCodecJson(answer), { errors: "all" })
    for (;;) {
      const decoded = decode(yield* answerTo(run, { prompt, schema, expiresAt }))
      if (Result.isSuccess(decoded)) return decoded.success
      const reasons = Issues.fromSchema(decoded.failure).map(JsonAnswer.worded)
      yield* say(run, `That answer does not fit. ${reasons.join("; ")}`)
    }
  })

const answerTo = Effect.fnUntraced(function* (
  { durable, failures, nextKey, threadId }: Run,
  question: { readonly prompt: string; readonly schema: Schema.Json; readonly expiresAt: DateTime.Utc | undefined }
) {
  const questionId = nextKey("question")
  const { expiresAt, prompt, schema } = question
  const asked = { runId: durable.key, questionId, prompt, schema, ...(expiresAt === undefined ? {} : { expiresAt }) }
  const answered = Effect.map(durable.signal("answer", questionId), (answer) => ({ answer }))
  // The row decides: somebody may have answered in the moment in which the time ran out. Such an answer is shown before
  // the run says what follows from it, as it is where the thread tells the run of one.
  const inRow = Effect.gen(function* () {
    const { answered } = yield* settled(durable.call(Question.actions.close, questionId, {}))
    if (answered === undefined) return undefined
    yield* settled(durable.call(Thread.actions.noteAnswer, threadId, { questionId, runId: durable.key, ...answered }))
    return answered
  })
  // A run that was lost and asks again waits no longer than it said at first.
  const inTime = (limit: DateTime.Utc | undefined) =>
    limit === undefined
      ? answered
      : Effect.raceFirst(answered, Effect.as(Effect.flatMap(until(limit), durable.sleep), undefined))
  // Interrupted while it asks or waits, it closes the question: whoever answers after this would answer nobody.
  const signalled = yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const standing = yield* settled(durable.call(Thread.actions.ask, threadId, asked))
      if (standing.status !== "OPEN") return undefined
      const close = durable.send(Question.actions.close, questionId, {})
      return yield* Effect.onInterrupt(restore(inTime(standing.expiresAt)), () => close)
    })
  )
  const settledWith = signalled ?? (yield* inRow)
  yield* durable.send(Thread.actions.goOn, threadId, { runId: durable.key })
  return settledWith === undefined
    ? yield* failures.noting(Effect.fail(new AskExpired({ question: questionId })))
    : settledWith.answer
})
