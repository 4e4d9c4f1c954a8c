/**
 * Traces go where `OTEL_EXPORTER_OTLP_ENDPOINT` says (OTLP over HTTP, as JSON), with `OTEL_EXPORTER_OTLP_HEADERS`,
 * every `OTEL_BSP_SCHEDULE_DELAY` milliseconds. Without an endpoint no spans are made at all, which saves some of every
 * request. Spans that nobody takes are dropped, and a collector that does not answer is left alone for a minute.
 */
import * as Setting from "@tenon/core/Setting"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"

/** The tracer of an application, by configuration. */
export const layer = (title: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const baseUrl = yield* Config.option(Setting.url("OTEL_EXPORTER_OTLP_ENDPOINT"))
      if (Option.isNone(baseUrl)) return Layer.succeed(References.TracerEnabled, false)
      const headers = yield* Config.option(
        Config.Record(Schema.String, Schema.StringFromUriComponent, "OTEL_EXPORTER_OTLP_HEADERS")
      )
      return OtlpTracer.layer({
        url: `${baseUrl.value}/v1/traces`,
        resource: { serviceName: yield* Config.String("OTEL_SERVICE_NAME").pipe(Config.withDefault(title)) },
        headers: Option.getOrUndefined(headers),
        exportInterval: yield* Config.Int("OTEL_BSP_SCHEDULE_DELAY").pipe(Config.withDefault(5_000))
      }).pipe(Layer.provide([OtlpSerialization.layerJson, impatientClient]))
    })
  )

const patience = "3 seconds"

/**
 * Spans pile up while an export is under way, so one that cannot be made is given up at once: as a defect, which the
 * exporter does not try again. What a collector answers is a failure as ever.
 */
const impatientClient = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, (client) =>
    HttpClient.transformResponse(client, (response) =>
      response.pipe(
        Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.die("the collector does not answer") }),
        Effect.catchIf(isTransport, (error) => Effect.die(error.message))
      )
    )
  )
).pipe(Layer.provide(FetchHttpClient.layer))

const isTransport = (error: HttpClientError.HttpClientError) => error.reason._tag === "TransportError"
