/**
 * The process of one subject: loads nothing but that subject, and does what the parent asks, one answer per request.
 * Run by `SubjectProcess.ts` with the subject's name as its only argument.
 */
import { makeCommands } from "./Commands.ts"
import type { Request, Response } from "./SubjectProcess.ts"
import type { Subject } from "./Subject.ts"

const name = process.argv[2]!
const { subject } = (await import(`./subjects/${name}.ts`)) as { readonly subject: Subject }
const commands = makeCommands(subject)

const answer = async ({ id, command, argument }: Request): Promise<Response> => {
  try {
    return { id, value: await (commands[command] as (argument: unknown) => Promise<unknown>)(argument) }
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

process.on("message", async (request: Request) => process.send!(await answer(request)))
process.on("disconnect", () => process.exit(0))
process.send!({ id: 0, value: "ready" } satisfies Response)
