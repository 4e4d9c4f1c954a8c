/** What runs took of language models, one row per call. */
import * as Field from "@tenon/core/Field"
import * as Resource from "@tenon/core/Resource"
import * as Schema from "effect/Schema"

/** `OPEN` while the call is under way; `LOST` where nobody ever said what became of it. */
export const UsageStatus = Schema.Literals(["OPEN", "DONE", "FAILED", "LOST"])

const none = Schema.Int.pipe(Field.withDefault(0))

/** A call of a model. Its key follows from the run and the step, so a replay records nothing twice. */
export const ModelUsage = Resource.make("ModelUsage", {
  table: "model_usage",
  fields: {
    id: Field.Id,
    /** The key of the run that called: an agent's, or any other workflow's. */
    run: Schema.String,
    status: UsageStatus.pipe(Field.withDefault("OPEN")),
    /** The name that the model gives itself. */
    model: Schema.String.pipe(Field.withDefault("")),
    inputTokens: none,
    outputTokens: none,
    /** In millionths of the currency, by the prices that were set when it was made. */
    cost: none,
    /** Set aside of the budget while it is open. */
    reservedTokens: none,
    reservedCost: none,
    createdAt: Field.CreatedAt,
    updatedAt: Field.UpdatedAt
  },
  indexes: [["run"], ["status"]],
  actions: () => ({})
})
