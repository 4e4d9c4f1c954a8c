import { repositoryLaws } from "@tenon/testing/RepositoryLaws"
import * as StoreDatabase from "../support/StoreDatabase.ts"

repositoryLaws("in PostgreSQL", StoreDatabase.layer)
