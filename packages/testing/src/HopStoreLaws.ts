/** What every store of hops has to do. */
import type { HopStore } from "@tenon/routing-slip/HopStore"
import { layer as suiteOf } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import * as Aside from "./HopStoreLawsAside.ts"
import * as Slips from "./HopStoreLawsSlips.ts"
import * as Steps from "./HopStoreLawsSteps.ts"

/** The laws, as tests on the real clock. */
export const suite = <E>(name: string, store: Layer.Layer<HopStore, E>): void =>
  suiteOf(store, { excludeTestServices: true, timeout: "30 seconds" })(
    `${name} keeps the laws of a hop store`,
    (it) => {
      for (const { declare } of [Steps, Aside, Slips]) declare(it)
    }
  )
