import * as Agents from "@tenon/agents/Agents"
import { budgetKey, ModelBudget } from "@tenon/agents/ModelBudget"
import * as ModelSettings from "@tenon/agents/ModelSettings"
import { ModelUsage } from "@tenon/agents/ModelUsage"
import { Executor } from "@tenon/core/Executor"
import * as Registry from "@tenon/core/Registry"
import * as Repository from "@tenon/core/Repository"
import * as Tenon from "@tenon/core/Tenon"
import * as Testing from "@tenon/testing/Testing"
import { assert, describe, it, layer as suite } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"

const registry = Registry.make({ resources: [...Agents.resources], workflows: [...Agents.workflows] })

/** As a run does it, which comes through no door. */
const internally = Effect.fnUntraced(function* (
  action: "reserve" | "settle",
  input: { readonly [name: string]: string | number }
) {
  const { execute } = yield* Executor
  const actor = Testing.actor()
  return yield* execute({ resource: "ModelBudget", action, key: budgetKey, input, actor, origin: "internal" })
})
const reserve = (usageId: string, tokens: number, cost = 0) =>
  internally("reserve", { usageId, run: "run", tokens, cost })
const settle = (usageId: string, tokens: number, cost = 0) =>
  internally("settle", { usageId, status: "DONE", model: "m", inputTokens: 0, outputTokens: tokens, cost })

const budget = Effect.flatMap(Repository.Repository, (repository) => repository.get(ModelBudget, budgetKey))

suite(Testing.layer(registry))("a budget", (it) => {
  it.effect("counts what is set aside, what was taken, and begins anew with its period", () =>
    Effect.gen(function* () {
      yield* Tenon.invoke(ModelBudget.actions.set, budgetKey, { period: "day", tokenLimit: 100, costLimit: 50 })
      const other = yield* Effect.flip(Tenon.invoke(ModelBudget.actions.set, "other", { period: "day" }))
      assert.strictEqual(other._tag, "UnknownBudget")
      yield* reserve("a", 60)
      const refused = yield* Effect.flip(reserve("b", 60))
      assert.strictEqual(refused.message, "The budget for language models is used up: 100 tokens a day.")
      yield* settle("a", 30, 20)
      yield* settle("a", 30, 20)
      assert.deepInclude(yield* budget, { tokens: 30, cost: 20 })
      yield* reserve("b", 60)
      assert.include((yield* Effect.flip(reserve("c", 1, 31))).message, "50 millionths a day")
      yield* settle("b", 70, 30)
      assert.strictEqual((yield* Effect.flip(reserve("d", 1)))._tag, "BudgetExceeded")
      yield* TestClock.adjust("1 day")
      yield* reserve("d", 100)
      assert.deepInclude(yield* budget, { tokens: 0, cost: 0 })
      // Nobody ever says what became of it.
      yield* TestClock.adjust("61 minutes")
      yield* reserve("e", 100)
      const repository = yield* Repository.Repository
      assert.strictEqual((yield* repository.get(ModelUsage, "d")).status, "LOST")
      yield* settle("e", 0)
      yield* Tenon.invoke(ModelBudget.actions.set, budgetKey, { period: "month" })
      yield* reserve("f", 1_000_000)
    })
  )
})

describe("a price", () => {
  it("is that of the model, or of all others, or none", () => {
    const settings: ModelSettings.ModelSettings = {
      timeout: 1,
      deadline: 1,
      attempts: 1,
      reserve: 1,
      prices: { fine: { input: 2_500_000, output: 10_000_000 }, "*": { input: 1, output: 1 } }
    }
    assert.strictEqual(ModelSettings.costOf(settings, "fine", { input: 1000, output: 100 }), 3500)
    assert.strictEqual(ModelSettings.costOf(settings, "other", { input: 1, output: 0 }), 1)
    assert.strictEqual(ModelSettings.costOf(settings, "toString", { input: 1, output: 0 }), 1)
    assert.strictEqual(ModelSettings.costOf({ ...settings, prices: {} }, "fine", { input: 9, output: 9 }), 0)
  })
})
