/** Stands apart from `Resource`, which gives it to the world, so that what resources are built of can use it too. */
import type * as Resource from "./Resource.ts"

/**
 * The erased view of a resource. Every resource is one; what this spares is the compiler's comparing all of its
 * members, schema included, at every use of every resource.
 */
export const erase = (resource: Resource.Typed): Resource.Any => resource as Resource.Any
