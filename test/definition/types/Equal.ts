// oxlint-disable typescript/no-unnecessary-type-parameters -- the comparison of two types is made of them

/** Whether two types are the very same, not only assignable to each other. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `holds<Equal<A, B>>()` doesn't compile unless it does. */
export const holds = <_ extends true>(): void => undefined
