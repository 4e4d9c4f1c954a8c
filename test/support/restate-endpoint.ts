/** The handlers that tests of the embedded Restate call. */
import * as restate from "@restatedev/restate-sdk"

export const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx: restate.ObjectContext, amount: number) => {
      const total = ((await ctx.get<number>("total")) ?? 0) + amount
      ctx.set("total", total)
      return total
    },
    wait: async (ctx: restate.ObjectContext) => {
      await ctx.sleep(3_600_000)
    }
  }
})
