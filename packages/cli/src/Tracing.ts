/** Where traces go. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Option from "effect/Option"
import * as References from "effect/References"

/**
 * Traces go where `OTEL_EXPORTER_OTLP_ENDPOINT` says (OTLP over HTTP, as JSON). Without it no spans are made at all,
 * which saves some of every request.
 */
export const layer = (title: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const baseUrl = yield* Config.option(Config.NonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT"))
      if (Option.isNone(baseUrl)) return Layer.succeed(References.TracerEnabled, false)
      const serviceName = yield* Config.String("OTEL_SERVICE_NAME").pipe(Config.withDefault(title))
      return OtlpTracer.layer({ url: `${baseUrl.value}/v1/traces`, resource: { serviceName } }).pipe(
        Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer])
      )
    })
  )
