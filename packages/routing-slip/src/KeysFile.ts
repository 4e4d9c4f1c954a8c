/** A key set in a file, such as one that an orchestrator mounts and replaces. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Keys from "./Keys.ts"
import * as StrictJson from "./StrictJson.ts"

/**
 * Where it is and how it is kept fresh: read again after a second by default, so that a revocation is heeded at once.
 */
export interface Options extends Keys.ReloadOptions {
  readonly path: string
}

/** Reads the file when the set is needed and has become old. A file that is half written leaves the set as it is. */
export const layer = (options: Options): Layer.Layer<Keys.Keys, never, FileSystem.FileSystem> =>
  Keys.layerReloading(
    FileSystem.FileSystem.pipe(
      Effect.flatMap((files) => files.readFile(options.path)),
      Effect.flatMap((bytes) => Effect.fromResult(StrictJson.parseBytes(bytes)))
    ),
    { maxAge: "1 second", ...options }
  )
