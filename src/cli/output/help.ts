/** What `effect/cli` prints by itself, made to fit the terminal. */
import * as CliOutput from "effect/cli/CliOutput"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Output from "./print.ts"
import { self } from "./ownCommand.ts"
import { widthOf, wrap } from "./text.ts"

/** What comes before the text of the right-hand column: a name, and two spaces or more. */
const leftColumn = /^ *\S.*? {2,}/

/** Commands stay on one line, so that they can be copied. */
const command = /^( *)pg-task /

const fit = (line: string, width: number): ReadonlyArray<string> => {
  if (command.test(line)) return [line.replace(command, (_, indent: string) => indent + self(""))]
  const left = leftColumn.exec(line)?.[0] ?? /^ */.exec(line)![0]
  const indent = widthOf(left)
  const [first = "", ...others] = wrap(line.slice(left.length), width - indent)
  return [left + first, ...others.map((other) => " ".repeat(indent) + other)]
}

/** Errors of the command line's syntax are not printed here, but in one line, as all errors: see exit.ts. */
export const presenter: CliOutput.Presenter = {
  present: Effect.fnUntraced(function*(event) {
    if (event._tag === "InvalidInvocation") return
    if (event._tag === "Version") return yield* CliOutput.defaultPresenter.present(event)
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const width = yield* Output.width
    const text = CliOutput.defaultFormatter({ colors: canColor }).formatHelpDoc(event.helpDoc)
    yield* Console.log(text.split("\n").flatMap((line) => fit(line, width)).join("\n"))
  })
}
