/** Storing a task without its declaration. */
import * as Effect from "effect/Effect"
import { checkRaw } from "../definition/task.ts"
import { dueOf, type DueOptions } from "../enqueue/due.ts"
import { enqueueTask } from "../enqueue/enqueue.ts"
import { keyOf, type KeyOptions } from "../enqueue/key.ts"

/** `Admin.enqueueRaw` without its types. */
export const storeRaw = Effect.fnUntraced(function*(raw: string, options: unknown) {
  const { task } = yield* checkRaw(raw)
  const due = yield* dueOf(task, options as DueOptions | undefined)
  const key = yield* keyOf(task, options as KeyOptions | undefined)
  return yield* enqueueTask(task, raw, { due, key })
})
