/** Asking before something is changed. */
import * as Prompt from "effect/cli/Prompt"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import { Declined, UsageError } from "../exit.ts"
import { Json } from "./flags.ts"
import * as Output from "../output/print.ts"

/** Goes on only if the user says yes, or gave `--yes`. */
export const confirm = Effect.fnUntraced(function*(question: string, { details, yes }: {
  readonly yes: boolean
  /** Shown before the question. */
  readonly details: Effect.Effect<void>
}) {
  if (yes) return
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  // With --json a program reads the output: it can't answer.
  if (!canPrompt || (yield* Json)) {
    return yield* new UsageError({ message: `${question} Nobody can be asked here: give --yes` })
  }
  yield* details
  const sure = yield* Prompt.run(Prompt.Confirm({ message: question })).pipe(
    // The cursor is still on the line of the question.
    Effect.tapError(() => Output.note("\nNothing was changed"))
  )
  if (!sure) {
    return yield* new Declined({ message: "Nothing was changed" })
  }
})
