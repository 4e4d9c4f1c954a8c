import { isolationProof } from "@tenon/testing/IsolationProof"
import * as RepositoryLaws from "@tenon/testing/RepositoryLaws"
import * as Testing from "@tenon/testing/Testing"
import * as HttpDomain from "../support/HttpDomain.ts"
import * as App from "../support/idleApp.ts"

const { door, layerOver } = HttpDomain

isolationProof("the examples in memory", {
  registry: App.registry,
  layer: layerOver(Testing.layer(App.registry, { workflows: App.workflows })),
  http: door
})
isolationProof("one of everything in memory", {
  registry: HttpDomain.registry,
  layer: layerOver(Testing.layer(HttpDomain.registry, HttpDomain)),
  http: door
})
isolationProof("every rule of a store in memory", {
  registry: RepositoryLaws.isolated,
  layer: Testing.layer(RepositoryLaws.isolated)
})
