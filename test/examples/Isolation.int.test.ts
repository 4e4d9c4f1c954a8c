import { isolationProof } from "@tenon/testing/IsolationProof"
import * as RepositoryLaws from "@tenon/testing/RepositoryLaws"
import * as Testing from "@tenon/testing/Testing"
import * as HttpDomain from "../support/HttpDomain.ts"
import { server } from "../support/ScratchDatabase.ts"

isolationProof("one of everything over PostgreSQL", {
  registry: HttpDomain.registry,
  layer: HttpDomain.layerOver(Testing.layerPostgres(HttpDomain.registry, { ...HttpDomain, server })),
  http: HttpDomain.door
})
isolationProof("every rule of a store over PostgreSQL", {
  registry: RepositoryLaws.isolated,
  layer: Testing.layerPostgres(RepositoryLaws.isolated, { server })
})
