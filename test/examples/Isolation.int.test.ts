import { isolationProof } from "@tenon/testing/IsolationProof"
import * as RepositoryLaws from "@tenon/testing/RepositoryLaws"
import * as Testing from "@tenon/testing/Testing"
import * as HttpDomain from "../support/HttpDomain.ts"
import * as App from "../support/idleApp.ts"
import { server } from "../support/ScratchDatabase.ts"

const { door, layerOver } = HttpDomain

isolationProof("the examples over PostgreSQL", {
  registry: App.registry,
  layer: layerOver(Testing.layerPostgres(App.registry, { workflows: App.workflows, server })),
  http: door
})
isolationProof("the examples over PostgreSQL and Restate", {
  registry: App.registry,
  layer: layerOver(Testing.layerRestate(App.registry, { workflows: App.workflows, server })),
  http: door,
  settleMillis: 2000
})
isolationProof("one of everything over PostgreSQL", {
  registry: HttpDomain.registry,
  layer: layerOver(Testing.layerPostgres(HttpDomain.registry, { ...HttpDomain, server })),
  http: door
})
isolationProof("every rule of a store over PostgreSQL", {
  registry: RepositoryLaws.isolated,
  layer: Testing.layerPostgres(RepositoryLaws.isolated, { server })
})
