/**
 * Why a run got no use out of its model. Each ends the run with its message in the thread, unless the program handles
 * it.
 */
import * as AiError from "effect/ai/AiError"
import * as Schema from "effect/Schema"

/** The model did not answer, or not with anything of use. */
export class ModelFailed extends Schema.TaggedError<ModelFailed>()("ModelFailed", {
  /** As `effect/ai` names it, such as `RateLimitError`; `Timeout` where no answer came in time. */
  reason: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `The language model did not answer: ${this.problem}`
  }
}

/** The model declined to answer. */
export class ModelRefused extends Schema.TaggedError<ModelRefused>()("ModelRefused", {}) {
  override get message() {
    return "The language model declined to answer."
  }
}

/** The model kept calling tools that do not exist, or with arguments that do not fit. */
export class ToolCallsInvalid extends Schema.TaggedError<ToolCallsInvalid>()("ToolCallsInvalid", {
  tool: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `The language model kept calling the tool ${JSON.stringify(this.tool)} wrongly: ${this.problem}`
  }
}

/** The model was still calling tools after as many rounds as a conversation may have. */
export class TooManyRounds extends Schema.TaggedError<TooManyRounds>()("TooManyRounds", { rounds: Schema.Int }) {
  override get message() {
    return `The language model had not finished after ${this.rounds} rounds.`
  }
}

/** The tenant has used up what it may spend on models in this period. */
export class BudgetExceeded extends Schema.TaggedError<BudgetExceeded>()(
  "BudgetExceeded",
  { period: Schema.String, unit: Schema.Literals(["tokens", "cost"]), limit: Schema.Int },
  { httpStatus: 429, description: "The tenant's budget for language models is used up." }
) {
  override get message() {
    return `The budget for language models is used up: ${this.limit} ${this.unit === "cost" ? "millionths" : "tokens"} a ${this.period}.`
  }
}

/** A tenant has one budget, whose key is another. */
export class UnknownBudget extends Schema.TaggedError<UnknownBudget>()(
  "UnknownBudget",
  { key: Schema.String },
  { httpStatus: 404, description: "A tenant has one budget; this is not its key." }
) {
  override get message() {
    return `There is no budget ${JSON.stringify(this.key)}; a tenant's only one is "models".`
  }
}

/** All that a conversation with a model may fail with. */
export type ModelFailure = ModelFailed | ModelRefused | ToolCallsInvalid | TooManyRounds | BudgetExceeded

const key = "tenon"
const decodeBudget = Schema.decodeUnknownOption(BudgetExceeded)
const decodeFailed = Schema.decodeUnknownOption(ModelFailed)

/** What the reason of an `AiError` was made of: the very failure, by which a run tells which of its calls it was. */
const origins = new WeakMap<object, BudgetExceeded | ModelFailed>()

/** `BudgetExceeded` or `ModelFailed` as the only kind of failure that `LanguageModel` has. */
export const toAi = (failure: BudgetExceeded | ModelFailed): AiError.AiError => {
  const reason =
    failure._tag === "BudgetExceeded"
      ? new AiError.QuotaExhaustedError({ metadata: { [key]: { ...failure } } })
      : new AiError.UnknownError({ description: failure.problem, metadata: { [key]: { ...failure } } })
  origins.set(reason, failure)
  return AiError.make({ module: "LanguageModel", method: "call", reason })
}

/** What a failure of `LanguageModel` inside a run means. */
export const fromAi = (error: AiError.AiError): BudgetExceeded | ModelFailed => {
  const { reason } = error
  const origin = origins.get(reason)
  if (origin !== undefined) return origin
  const given = "metadata" in reason ? reason.metadata[key] : undefined
  const known = decodeBudget(given)
  if (known._tag === "Some") return known.value
  const failed = decodeFailed(given)
  return failed._tag === "Some" ? failed.value : describe(error)
}

/** A failure in words that hold nothing of the request: no header, no prompt, no key. */
export const describe = ({ reason }: AiError.AiError): ModelFailed => {
  const problem = reason.message.replaceAll(/\s+/g, " ").slice(0, 300)
  return new ModelFailed({ reason: reason._tag, problem: /[.!?]$/.test(problem) ? problem : `${problem}.` })
}

/** Whether a program failed by what its model said, or by its saying nothing. */
export const isOfModel = (failure: unknown): boolean =>
  [ModelFailed, ModelRefused, ToolCallsInvalid, TooManyRounds].some((each) => failure instanceof each)
