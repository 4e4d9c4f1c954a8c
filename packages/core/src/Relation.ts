/**
 * How resources relate. A `belongsTo` becomes a foreign key that includes the tenant, with an index; a `hasMany` looks
 * back along one. A door offers both as links of a row.
 */

/** A row of this resource points to one row of `target` by the field `field`. */
export interface BelongsTo {
  readonly _tag: "BelongsTo"
  /** The target's name. */
  readonly target: string
  readonly field: string
  /** Where true, this side does not count when dependencies are ordered, so two resources may point at each other. */
  readonly optional: boolean
  /** What happens to this row when the target is removed: refuse (default), remove it too, or null the field. */
  readonly onRemove: "restrict" | "cascade" | "null"
}

/** Rows of `target` point back here by their field `field`, which is declared there as a `belongsTo`. */
export interface HasMany {
  readonly _tag: "HasMany"
  readonly target: string
  readonly field: string
}

export type Relation = BelongsTo | HasMany

/** Names a resource: itself, or its name where importing it would be circular. */
export type Target = string | { readonly name: string }

const nameOf = (target: Target) => (typeof target === "string" ? target : target.name)

/** Declares that the field holds the key of a row of `target`. */
export const belongsTo = (
  target: Target,
  field: string,
  options?: { readonly optional?: boolean; readonly onRemove?: BelongsTo["onRemove"] }
): BelongsTo => ({
  _tag: "BelongsTo",
  target: nameOf(target),
  field,
  optional: options?.optional ?? false,
  onRemove: options?.onRemove ?? "restrict"
})

/**
 * Declares that rows of `target` point back here by their field `field`: those that the list of `target` gives for it.
 */
export const hasMany = (target: Target, field: string): HasMany => ({ _tag: "HasMany", target: nameOf(target), field })
