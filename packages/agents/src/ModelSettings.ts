/** How runs call language models: patience, prices, and what a call sets aside of a budget. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** What a model costs, in millionths of the currency per million tokens: 2.50 per million tokens is 2_500_000. */
export const ModelPrice = Schema.Struct({ input: Schema.Int, output: Schema.Int })
export interface ModelPrice extends Schema.Schema.Type<typeof ModelPrice> {}

/** Prices by the name that a model gives itself; `*` is for those that are not listed. */
export const ModelPrices = Schema.Record(Schema.String, ModelPrice)

/** The settings of model calls. */
export interface ModelSettings {
  /** How long one attempt of a call may take. Default: 60 seconds. */
  readonly timeout: Duration.Input
  /** How long a call may take with all of its attempts. Default: 3 minutes. */
  readonly deadline: Duration.Input
  /** How often a call is tried that fails for a reason which may pass. Default: 3. */
  readonly attempts: number
  /**
   * Tokens that a call sets aside of the tenant's budget, besides its prompt, until it is known what it took. Default:
   * 1,000.
   */
  readonly reserve: number
  readonly prices: { readonly [model: string]: ModelPrice }
}

/** The settings in use. */
export const CurrentModelSettings = Context.Reference<ModelSettings>("@tenon/agents/CurrentModelSettings", {
  defaultValue: () => ({ timeout: "60 seconds", deadline: "3 minutes", attempts: 3, reserve: 1_000, prices: {} })
})

/** Puts some settings in the place of the defaults. */
export const layer = (settings: Partial<ModelSettings>): Layer.Layer<never> =>
  Layer.effect(
    CurrentModelSettings,
    Effect.map(CurrentModelSettings, (defaults) => ({ ...defaults, ...settings }))
  )

/** From `MODEL_TIMEOUT`, `MODEL_ATTEMPTS`, `MODEL_RESERVE_TOKENS` and `MODEL_PRICES` (`ModelPrices` as JSON). */
export const layerConfig: Layer.Layer<never, Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    return layer({
      timeout: yield* Config.Duration("MODEL_TIMEOUT").pipe(Config.withDefault("60 seconds")),
      attempts: yield* Config.Int("MODEL_ATTEMPTS").pipe(Config.withDefault(3)),
      reserve: yield* Config.Int("MODEL_RESERVE_TOKENS").pipe(Config.withDefault(1_000)),
      prices: yield* Config.schema(Schema.fromJsonString(ModelPrices), "MODEL_PRICES").pipe(Config.withDefault({}))
    })
  })
)

/** What tokens of a model cost, in millionths of the currency, rounded up. */
export const costOf = (
  { prices }: ModelSettings,
  model: string,
  tokens: { readonly input: number; readonly output: number }
): number => {
  const price = (Object.hasOwn(prices, model) ? prices[model] : undefined) ?? prices["*"]
  return price === undefined ? 0 : Math.ceil((tokens.input * price.input + tokens.output * price.output) / 1_000_000)
}
