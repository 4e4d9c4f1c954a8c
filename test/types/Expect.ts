/** Fails to compile unless the two types are the same, `any` and optionality included. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `expectType<Same<typeof value, Expected>>(true)`. */
export const expectType = <_Holds extends true>(_: _Holds): void => {}
