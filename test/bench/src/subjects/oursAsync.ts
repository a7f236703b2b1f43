import { makeOurs } from "./support/ours.ts"

export const subject = makeOurs({ asyncCommit: true })
