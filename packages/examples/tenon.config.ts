/** The examples as one application. */
import * as TenonConfig from "@tenon/cli/TenonConfig"
import { registry, workflows } from "./src/app/App.ts"

export default TenonConfig.define({
  directory: import.meta.dirname,
  title: "Tenon examples",
  registry,
  workflows,
  slips: true,
  tryOut: [
    'npx tenon agent post --agent weather "Graz"     # an agent looks things up, and asks you',
    "npx tenon agent questions                       # what it asks; answer it: npx tenon agent answer QUESTION '{\"send\":true}'",
    "npx tenon agent messages THREAD                 # it goes on"
  ]
})
