/** Asking before something is changed. */
import * as Prompt from "effect/cli/Prompt"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import { Declined, UsageError } from "../exit.ts"
import { Json } from "./flags.ts"
import * as Output from "../output/print.ts"

/** Goes on only if somebody says yes, or said `--yes`. */
export const confirm = Effect.fnUntraced(function*(question: string, { details, yes }: {
  readonly yes: boolean
  /** Shown before the question. */
  readonly details: Effect.Effect<void>
}) {
  if (yes) return
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  // Who reads JSON reads no question.
  if (!canPrompt || (yield* Json)) {
    return yield* new UsageError({ message: `${question} Nobody can be asked here: give --yes` })
  }
  yield* details
  const sure = yield* Prompt.run(Prompt.Confirm({ message: question })).pipe(
    // The cursor is still behind the question.
    Effect.tapError(() => Output.note("\nNothing was changed"))
  )
  if (!sure) {
    return yield* new Declined({ message: "Nothing was changed" })
  }
})
