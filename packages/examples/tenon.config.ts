/** The examples as one application. */
import * as TenonConfig from "@tenon/cli/TenonConfig"
import { registry, workflows } from "./src/app/App.ts"

export default TenonConfig.define({
  directory: import.meta.dirname,
  title: "Tenon examples",
  registry,
  workflows,
  slips: true
})
