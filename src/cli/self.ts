/** What to type to run another command of this one. */

/** As this one was started: a program of a project is not in the path. */
export const self = (command: string): string =>
  `${process.env["npm_command"] === "exec" ? "npx " : ""}pg-task ${command}`
