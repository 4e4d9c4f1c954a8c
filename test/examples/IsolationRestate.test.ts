import { isolationProof } from "@tenon/testing/IsolationProof"
import * as Testing from "@tenon/testing/Testing"
import * as HttpDomain from "../support/HttpDomain.ts"
import * as App from "../support/idleApp.ts"

isolationProof("the examples over PostgreSQL and Restate", {
  registry: App.registry,
  layer: HttpDomain.layerOver(Testing.layerRestate(App.registry, { workflows: App.workflows })),
  http: HttpDomain.door,
  settleMillis: 2000
})
