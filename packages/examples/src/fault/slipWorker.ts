/** A worker of the fault run's mesh in a process of its own: `slipWorker.ts ACTIVITY`, settings in the environment. */
import * as Worker from "@tenon/routing-slip/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as SlipMesh from "./SlipMesh.ts"

const settings = Schema.decodeUnknownSync(Schema.fromJsonString(SlipMesh.Settings))(process.env["TENON_FAULT_MESH"])

const worker = Worker.layer(SlipMesh.registry(settings.activities), {
  only: [process.argv[2] ?? ""],
  lease: "5 seconds",
  relay: { interval: "2 seconds", grace: "3 seconds" },
  // A broker that is away hands messages over more often than a subscriber that is ill.
  maxDeliveries: 1_000,
  maxCrashes: 1_000
}).pipe(Layer.provide([SlipMesh.infrastructure(settings), SlipMesh.effects(settings)]), Layer.provide(Logger.layer([])))

await Effect.runPromise(Layer.launch(worker))
