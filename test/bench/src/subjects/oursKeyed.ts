import { makeOurs } from "./support/ours.ts"

export const subject = makeOurs({ keyed: true })
