/** What to type to run another command of this one. */

/**
 * As this one was started: a program of a project is not in the path. By the name of the package: for any other, npx
 * asks the registry where the package is not installed, and anybody may take that name there.
 */
export const self = (command: string): string =>
  `${process.env["npm_command"] === "exec" ? "npx effect-pg-task" : "pg-task"} ${command}`
