/**
 * What a tenant may spend on language models in a period. Before a call, tokens are set aside; afterwards the call's
 * row says what it took. Both happen one at a time per tenant, so concurrent runs together stay within the limit as
 * long as no call takes more than it set aside.
 */
import type { Durable } from "@tenon/core/Durable"
import * as Field from "@tenon/core/Field"
import * as Load from "@tenon/core/Load"
import * as Outcome from "@tenon/core/Outcome"
import * as Policy from "@tenon/core/Policy"
import * as Resource from "@tenon/core/Resource"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ModelAnswer } from "./ModelAnswer.ts"
import { BudgetExceeded, type ModelFailed, UnknownBudget } from "./ModelFailure.ts"
import { costOf, type ModelSettings } from "./ModelSettings.ts"
import { ModelUsage } from "./ModelUsage.ts"

/** The key of a tenant's only budget. */
export const budgetKey = "models"

/** Calls in UTC days or months. */
export const BudgetPeriod = Schema.Literals(["day", "month"])

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const none = count.pipe(Field.withDefault(0))

/** After this many milliseconds a call that was never heard of again counts as lost, and its tokens as unused. */
const lostAfter = 60 * 60 * 1000

/** How many calls of a tenant may be under way at once where it has a limit. */
const maxOpen = 1000

/** Which call was paid for: a run that is run again goes by it. */
const Settled = Schema.Struct({ usageId: Schema.String })

export const ModelBudget = Resource.make("ModelBudget", {
  fields: {
    /** Always `models`. */
    id: Field.Id,
    period: BudgetPeriod.pipe(Field.withDefault("month")),
    /** Tokens per period, input and output together; no limit where absent. */
    tokenLimit: Schema.optionalKey(count),
    /** Cost per period in millionths of the currency; no limit where absent. */
    costLimit: Schema.optionalKey(count),
    /** The first instant of the period that the sums below are for. */
    since: Schema.DateTimeUtc,
    tokens: none,
    cost: none,
    updatedAt: Field.UpdatedAt
  },
  actions: (on) => {
    type Self = Parameters<typeof on.save>[0] & {
      readonly period: "day" | "month"
      readonly since: DateTime.Utc
      readonly tokens: number
      readonly cost: number
      readonly tokenLimit?: number
      readonly costLimit?: number
    }

    /** The budget as it stands now: empty at the start of each period. */
    const current = (self: Self | undefined, id: string, now: DateTime.Utc): Self => {
      const period = self?.period ?? "month"
      const since = DateTime.startOf(now, period)
      const fresh = self === undefined || DateTime.isLessThan(self.since, since)
      return { ...self, id, period, since, ...(fresh ? { tokens: 0, cost: 0 } : {}) } as Self
    }

    return {
      set: on.action(
        {
          description: "Sets the tenant's limits; what is left out has none. The key is `models`.",
          policy: Policy.roles("admin"),
          self: "optional",
          input: {
            period: BudgetPeriod,
            tokenLimit: Schema.optionalKey(count),
            costLimit: Schema.optionalKey(count)
          },
          errors: [UnknownBudget]
        },
        ({ input, self }, context) => {
          if (context.key !== budgetKey) return Result.fail(new UnknownBudget({ key: context.key }))
          const { costLimit: _cost, tokenLimit: _tokens, ...rest } = current(self, budgetKey, context.now)
          return on.save(current({ ...rest, ...input } as Self, budgetKey, context.now)).pipe(Outcome.as(undefined))
        }
      ),

      /** Sets tokens aside for a call, or refuses it. */
      reserve: on.action(
        {
          policy: Policy.nobody,
          self: "optional",
          input: { usageId: Schema.String, run: Schema.String, tokens: count, cost: count },
          output: Settled,
          errors: [BudgetExceeded],
          load: () => ({ open: Load.many(ModelUsage, { status: "OPEN" }, { limit: maxOpen }) }),
          touches: [ModelUsage]
        },
        ({ input, loaded, self }, { key, now }) => {
          const budget = current(self, key, now)
          const isLost = ({ createdAt }: { readonly createdAt: DateTime.Utc }) =>
            DateTime.toEpochMillis(now) - DateTime.toEpochMillis(createdAt) > lostAfter
          const live = loaded.open.filter((each) => !isLost(each))
          const sum = (of: "reservedTokens" | "reservedCost") => live.reduce((total, each) => total + each[of], 0)
          const { costLimit, period, tokenLimit } = budget
          const limited = tokenLimit !== undefined || costLimit !== undefined
          if (tokenLimit !== undefined && budget.tokens + sum("reservedTokens") + input.tokens > tokenLimit)
            return Result.fail(new BudgetExceeded({ period, unit: "tokens", limit: tokenLimit }))
          if (costLimit !== undefined && budget.cost + sum("reservedCost") + input.cost > costLimit)
            return Result.fail(new BudgetExceeded({ period, unit: "cost", limit: costLimit }))
          if (limited && live.length >= maxOpen)
            return Result.fail(new BudgetExceeded({ period, unit: "tokens", limit: tokenLimit ?? 0 }))
          const { cost, run, tokens, usageId } = input
          return on.save(budget).pipe(
            Outcome.also(Outcome.save(ModelUsage, { id: usageId, run, reservedTokens: tokens, reservedCost: cost })),
            Outcome.forEach(loaded.open.filter(isLost), (lost) =>
              Outcome.also(Outcome.save(ModelUsage, { ...lost, status: "LOST" }))
            ),
            Outcome.as({ usageId })
          )
        }
      ),

      /** Records what a call took, once. */
      settle: on.action(
        {
          policy: Policy.nobody,
          self: "optional",
          input: {
            usageId: Schema.String,
            status: Schema.Literals(["DONE", "FAILED"]),
            model: Schema.String,
            inputTokens: count,
            outputTokens: count,
            cost: count
          },
          output: Settled,
          load: ({ input }) => ({ usage: Load.one(ModelUsage, input.usageId) }),
          touches: [ModelUsage]
        },
        ({ input, loaded: { usage }, self }, { key, now }) => {
          const { usageId, ...taken } = input
          // A run that ended meanwhile has given it up, but what it took it took.
          const isLate = usage.status === "FAILED" && taken.status === "DONE"
          if (usage.status === "DONE" || (usage.status === "FAILED" && !isLate)) return Outcome.succeed({ usageId })
          const budget = current(self, key, now)
          const tokens = budget.tokens + taken.inputTokens + taken.outputTokens
          return on
            .save({ ...budget, tokens, cost: budget.cost + taken.cost })
            .pipe(Outcome.also(Outcome.save(ModelUsage, { ...usage, ...taken })), Outcome.as({ usageId }))
        }
      )
    }
  }
})

/** What is said of a call that took nothing. */
const unspent = (usageId: string) => ({
  usageId,
  status: "FAILED" as const,
  model: "",
  inputTokens: 0,
  outputTokens: 0,
  cost: 0
})

/** The calls of a run that are under way, as far as is known. */
export const callsOf = (run: string) => Load.many(ModelUsage, { run, status: "OPEN" }, { limit: 100 })

/** Gives back what was set aside for calls of which nobody will say more. */
export const giveBack = (calls: ReadonlyArray<Resource.Row<typeof ModelUsage>>) =>
  Outcome.forEach(calls, ({ id }) => Outcome.send(ModelBudget.actions.settle, budgetKey, unspent(id)))

/** Which call of a run is paid for. */
export interface Spending {
  readonly step: string
  readonly settings: ModelSettings
  /** What to set aside. */
  readonly tokens: number
}

/** Makes a call within the tenant's budget, and records what it took: whatever was set aside for it is given back. */
export const spend = (
  durable: Durable["Service"],
  { settings, step, tokens: reserved }: Spending,
  call: Effect.Effect<ModelAnswer, ModelFailed>
): Effect.Effect<ModelAnswer, ModelFailed | BudgetExceeded> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const usageId = `${durable.key}.${step}`
      // Which model it will be is not known yet; `*` says what those cost that are not listed.
      const cost = costOf(settings, "", { input: 0, output: reserved })
      yield* durable
        .call(ModelBudget.actions.reserve, budgetKey, { usageId, run: durable.key, tokens: reserved, cost })
        .pipe(
          Effect.catch((failure) => (failure instanceof BudgetExceeded ? Effect.fail(failure) : Effect.die(failure)))
        )
      const failed = unspent(usageId)
      const answer = yield* restore(call).pipe(
        Effect.tapError(() => Effect.orDie(durable.call(ModelBudget.actions.settle, budgetKey, failed))),
        Effect.onInterrupt(() => durable.send(ModelBudget.actions.settle, budgetKey, failed))
      )
      const { model, tokens } = answer
      const taken = { inputTokens: tokens.input, outputTokens: tokens.output, cost: costOf(settings, model, tokens) }
      yield* Effect.orDie(
        durable.call(ModelBudget.actions.settle, budgetKey, { usageId, status: "DONE", model, ...taken })
      )
      return answer
    })
  )
