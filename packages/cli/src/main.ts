#!/usr/bin/env node
/** The command `tenon`. */
import { enableCompileCache } from "node:module"

// Before anything else is loaded: from the second run on, compiled code comes from the system's temporary folder.
enableCompileCache()
const { main } = await import("./CommandLine.ts")
main(process.argv.slice(2))
