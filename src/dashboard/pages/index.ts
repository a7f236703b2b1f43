/** All pages, by their names. Each is in the same folder, so that relative addresses work under any prefix. */
import type { Handler } from "../site.ts"
import { act, bulk, bulkPage } from "./actions.ts"
import { edit, editPage } from "./edit.ts"
import { errors, tryOne } from "./errors.ts"
import { home } from "./home.ts"
import { limit } from "./limit.ts"
import { changeLimit } from "./limitActions.ts"
import { limits } from "./limits.ts"
import { find, keys, workers } from "./others.ts"
import { row } from "./row.ts"
import { rows } from "./rows.ts"
import { schedule, schedules } from "./schedules.ts"
import { signal, signalPage } from "./signal.ts"

interface Handlers {
  readonly get?: Handler
  readonly post?: Handler
}

export const pages: ReadonlyMap<string, Handlers> = new Map<string, Handlers>([
  ["", { get: home }],
  ["rows", { get: rows }],
  ["row", { get: row }],
  ["edit", { get: editPage, post: edit }],
  ["signal", { get: signalPage, post: signal }],
  ["errors", { get: errors }],
  ["try", { post: tryOne }],
  ["act", { post: act }],
  ["bulk", { get: bulkPage, post: bulk }],
  ["schedules", { get: schedules }],
  ["schedule", { post: schedule }],
  ["limits", { get: limits }],
  ["limit", { get: limit, post: changeLimit }],
  ["workers", { get: workers }],
  ["find", { get: find }],
  ["keys", { get: keys }]
])
