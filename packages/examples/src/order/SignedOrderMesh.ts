/**
 * The order example under zero trust: every worker checks the whole history of what comes, signs what it did with a key
 * of its activity, and decrypts what is for it. Cards are charged under the authority of the customer whose slip it is.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as MeshConfig from "@tenon/cli/MeshConfig"
import * as Keys from "@tenon/routing-slip/Keys"
import * as KeysFile from "@tenon/routing-slip/KeysFile"
import * as OnBehalfOf from "@tenon/routing-slip/OnBehalfOf"
import * as Registry from "@tenon/routing-slip/Registry"
import * as SecuritySigned from "@tenon/routing-slip/SecuritySigned"
import * as TokenExchangeHttp from "@tenon/routing-slip/TokenExchangeHttp"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { chargeCard, notifyCustomer, updateInventory } from "./Order.ts"
import * as ServicesSql from "./ServicesSql.ts"

/** The private keys of a worker: what it signs with by activity, and what it decrypts with. */
export const WorkerKeys = Schema.Struct({
  signing: Schema.Record(Schema.String, Keys.PrivateKey),
  decryption: Schema.Array(Keys.PrivateKey)
})
const decodeWorkerKeys = Schema.decodeEffect(Schema.fromJsonString(WorkerKeys))

/**
 * `WORKER_KEYS_FILE` is the worker's alone, `SLIP_KEYS_FILE` the public key set that all go by, read again as it
 * changes.
 */
const security = Layer.unwrap(
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const own = yield* files.readFileString(yield* Config.NonEmptyString("WORKER_KEYS_FILE"))
    const path = yield* Config.NonEmptyString("SLIP_KEYS_FILE")
    return SecuritySigned.layer(yield* decodeWorkerKeys(own)).pipe(Layer.provide(KeysFile.layer({ path })))
  })
).pipe(Layer.provide(NodeServices.layer))

/** Exchanges a customer's token for one that the bank accepts, at the endpoint that `TOKEN_ENDPOINT` names. */
const tokens = Layer.unwrap(
  Effect.gen(function* () {
    const endpoint = yield* Config.NonEmptyString("TOKEN_ENDPOINT")
    const secret = yield* Config.Redacted("TOKEN_CLIENT_SECRET")
    return TokenExchangeHttp.layer({ endpoint, client: { id: "orders", secret } })
  })
).pipe(Layer.provide(FetchHttpClient.layer))

export const registry = Registry.make(
  chargeCard.pipe(OnBehalfOf.exchange({ audience: "https://bank.example" })),
  updateInventory,
  notifyCustomer
)

export default MeshConfig.define({
  title: "signed-orders",
  registry,
  security,
  services: Layer.merge(ServicesSql.layerConfig, tokens),
  worker: { relay: { interval: "200 millis", grace: "2 seconds" } }
})
