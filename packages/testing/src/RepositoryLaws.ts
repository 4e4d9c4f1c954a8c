/**
 * What every store keeps, whatever it is made of: the laws of `UnitOfWork`, `RowStore`, `Outbox` and `Receipts`, as
 * tests.
 *
 * `repositoryLaws("mine", layer)` declares them with vitest. The layer is made for `registry` and starts empty.
 */
import { CurrentActor } from "@tenon/core/Actor"
import * as AuditLog from "@tenon/core/AuditLog"
import * as Executor from "@tenon/core/Executor"
import * as Repository from "@tenon/core/Repository"
import type { Receipts } from "@tenon/core/Receipts"
import type { RowStore } from "@tenon/core/RowStore"
import type { Outbox, UnitOfWork } from "@tenon/core/UnitOfWork"
import { describe, layer as suite } from "@effect/vitest"
import * as Layer from "effect/Layer"
import { a } from "./RepositoryLawsCalls.ts"
import { registry } from "./RepositoryLawsDomain.ts"
import * as Explained from "./RepositoryLawsExplained.ts"
import * as Numbers from "./RepositoryLawsNumbers.ts"
import * as Kept from "./RepositoryLawsKept.ts"
import * as Once from "./RepositoryLawsOnce.ts"
import * as Queries from "./RepositoryLawsQueries.ts"
import * as Rows from "./RepositoryLawsRows.ts"
import * as States from "./RepositoryLawsStates.ts"
import * as Streams from "./RepositoryLawsStreams.ts"
import * as Tenants from "./RepositoryLawsTenants.ts"

export { isolated, registry } from "./RepositoryLawsDomain.ts"

/** Declares the laws for a store. They share its rows, so each uses keys of its own. */
export const repositoryLaws = <E>(
  name: string,
  store: Layer.Layer<UnitOfWork | RowStore | Outbox | Receipts, E>,
  options: { readonly timeout?: number } = {}
): void => {
  const services = Layer.mergeAll(Executor.layer(registry), Repository.layer).pipe(
    Layer.provideMerge(store),
    Layer.provideMerge(Layer.mergeAll(AuditLog.layerMemory([]), Layer.succeed(CurrentActor, a)))
  )
  const timeout = options.timeout ?? 60_000

  describe(`the repository laws: ${name}`, () => {
    suite(services, { timeout, excludeTestServices: true })((it) => {
      for (const { declare } of [Rows, Numbers, Once, Kept, States, Tenants, Queries, Streams, Explained]) declare(it)
    })
  })
}
