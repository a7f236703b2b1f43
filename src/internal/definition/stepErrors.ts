/**
 * What compile errors say of the steps of a task. Properties of interfaces: declarations that users emit spell these out,
 * but would name an exported alias, which is in a module that is closed to them.
 */

/** A move to a state that no step has, or whose schema differs from that of the step. */
export interface NextError<From extends string, Missing extends string, Differing extends string> {
  readonly message: [Missing] extends [never]
    ? `step "${From}" moves to a "${Differing}" that differs from the state of this task's step "${Differing}"`
    : `step "${From}" moves to "${Missing}", but no step of this task has that state`
}

/** A step for a state that is not declared, or whose schema differs from the declared one. */
export interface DeclaredError<Differing extends string, T extends string> {
  readonly message: [Differing] extends [never]
    ? `a step for the state "${T}", which is not declared: add it to \`states\``
    : `the state of step "${T}" differs from the "${T}" that is declared: use the same schema`
}
