import * as MemoryStore from "@tenon/core/MemoryStore"
import { registry, repositoryLaws } from "@tenon/testing/RepositoryLaws"

repositoryLaws("in memory", MemoryStore.layer(registry))
