/** Zero trust: a message is acted on only if its whole history is signed by those who may have made it. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Encryption from "./Encryption.ts"
import type * as Envelope from "./Envelope.ts"
import { Keys, type PrivateKey } from "./Keys.ts"
import { Refused } from "./Refused.ts"
import { Security } from "./Security.ts"
import * as SignedLog from "./SignedLog.ts"
import { Unable } from "./Unable.ts"

/** The worker's own keys. */
export interface Options {
  /** What it signs with: one key, or one for each of its activities. */
  readonly signing: PrivateKey | { readonly [activity: string]: PrivateKey }
  /** What it decrypts with; the retired ones too, for as long as messages encrypted for them may come. */
  readonly decryption?: ReadonlyArray<PrivateKey>
}

const isKey = (signing: Options["signing"]): signing is PrivateKey => typeof signing["kty"] === "string"

/** Checks all that comes and signs all that goes, over a key set. */
export const layer = (options: Options): Layer.Layer<Security, never, Keys> =>
  Layer.effect(
    Security,
    Effect.gen(function* () {
      const keys = yield* Keys
      const { signing } = options
      const cache = new SignedLog.Cache()
      const only = isKey(signing) ? yield* SignedLog.signer(signing) : undefined
      const byActivity = new Map<string, SignedLog.Signer>()
      if (!isKey(signing)) {
        for (const [activity, key] of Object.entries(signing)) byActivity.set(activity, yield* SignedLog.signer(key))
      }
      const reveal = yield* Encryption.opener(options.decryption ?? [])

      /** The key to sign with for an activity, if others accept it now; and what they know of it. */
      const ownKey = Effect.fnUntraced(function* (activity: string) {
        const signer = only ?? byActivity.get(activity)
        if (signer === undefined) {
          return yield* new Unable({ reason: "not-authorised", detail: `no key is at hand to sign for ${activity}` })
        }
        const known = yield* SignedLog.checkSigner(signer, activity).pipe(
          Effect.provideService(Keys, keys),
          Effect.catchTag("Refused", ({ detail, reason }) => Effect.fail(new Unable({ reason, detail })))
        )
        return { signer, known }
      })
      const signerFor = Effect.fnUntraced(function* (activity: string, { tenant_id }: Envelope.Headers) {
        const { known, signer } = yield* ownKey(activity)
        yield* SignedLog.checkTenant(known, tenant_id)
        return signer
      })

      return Security.of({
        admit: Effect.fnUntraced(function* (envelope, _, queue) {
          const proven = yield* Effect.provideService(SignedLog.verifyEnvelope(envelope, cache), Keys, keys)
          if (proven.last.aud !== queue) {
            return yield* new Refused({ reason: "wrong-audience", detail: `it is signed for ${proven.last.aud}` })
          }
          return { digest: proven.digest, index: proven.last.index, expires: proven.authority.expires_at }
        }),
        able: (activity) => Effect.asVoid(ownKey(activity)),
        ready: ({ headers }, activity) => Effect.asVoid(signerFor(activity, headers)),
        prove: Effect.fnUntraced(function* ({ headers }, activity, { joined, messageId, queue, transition }) {
          // Once more: its time may have come while the step was done.
          const signer = yield* signerFor(activity, headers)
          const { index, log, prev } =
            joined === undefined
              ? SignedLog.after(headers.security_context)
              : SignedLog.onTrunk(joined, transition.type === "gathered")
          const jws = yield* signer.sign({
            index,
            prev,
            tenant_id: headers.tenant_id,
            correlation_id: headers.correlation_id,
            message_id: messageId,
            aud: queue,
            at: transition.at,
            manifest: null,
            transition
          })
          return { obo_token: headers.security_context.obo_token, jws_signature: jws, jws_log: log }
        }),
        reveal,
        sealing: (activity) => Effect.provideService(Encryption.sealing(activity), Keys, keys)
      })
    })
  )
