/** How to run another command of `pg-task`. */

/**
 * As this one was started: with npx, because a project's programs are not in the path. `npx` gets the name of the
 * package, not of the command: where the package is not installed, npx takes the name from the registry, and anybody
 * may publish a package named as the command.
 */
export const self = (command: string): string =>
  `${process.env["npm_command"] === "exec" ? "npx effect-pg-task" : "pg-task"} ${command}`
