/** Whom the server lets in, from configuration. */
import * as Setting from "@tenon/core/Setting"
import * as Auth from "@tenon/http/Auth"
import * as Jwt from "@tenon/http/Jwt"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** Whoever set both would believe that each lets somebody in. */
export class TwoKinds extends Schema.TaggedError<TwoKinds>()("TwoKinds", {}) {
  override get message() {
    return "JWT_JWKS_URL and JWT_SECRET are both set; keep the one that tokens are signed by."
  }
}

/** The name of a claim; or, as a JSON array, the names that lead to one inside of others. */
const Path = Schema.Union([
  Schema.fromJsonString(Schema.NonEmptyArray(Schema.NonEmptyString)),
  Schema.NonEmptyString.check(Schema.isPattern(/^[^[]/))
])

const claim = (name: string) => Effect.map(Config.option(Config.schema(Path, name)), Option.getOrUndefined)

/**
 * Which JSON Web Tokens are accepted: `JWT_JWKS_URL` or `JWT_SECRET`, with `JWT_ISSUER` and `JWT_AUDIENCE`. Without
 * either, API keys only. `JWT_TENANT_CLAIM`, `JWT_SUBJECT_CLAIM` and `JWT_ROLES_CLAIM` say where tenant, subject and
 * roles are, where not in `tenant_id`, `sub` and `roles`.
 */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const jwksUrl = yield* Config.option(Setting.url("JWT_JWKS_URL"))
    const secret = yield* Config.option(Setting.secret("JWT_SECRET", Jwt.leastSecretBytes))
    if (Option.isSome(jwksUrl) && Option.isSome(secret)) return yield* new TwoKinds()
    if (Option.isNone(jwksUrl) && Option.isNone(secret)) return Auth.layer({})
    const jwt: Jwt.Options = {
      keys: Option.isSome(jwksUrl) ? { jwksUrl: jwksUrl.value } : { secret: Option.getOrThrow(secret) },
      issuer: yield* Config.NonEmptyString("JWT_ISSUER"),
      audience: yield* Config.NonEmptyString("JWT_AUDIENCE"),
      claims: {
        tenant: yield* claim("JWT_TENANT_CLAIM"),
        subject: yield* claim("JWT_SUBJECT_CLAIM"),
        roles: yield* claim("JWT_ROLES_CLAIM")
      }
    }
    return Auth.layer({ jwt })
  })
)
