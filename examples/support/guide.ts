/**
 * What the tutorial says to a newcomer, each thing at its moment.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type Row, watch } from "./rows.ts"

const fresh = `
The greeter reads a name from a file, and says hello. Watch what happens without the file:
`

const ready = (filename: string) => `
${filename} is there already: the greeter has nothing to wait for. (To watch it fail, remove the file and start again.)
`

const unfinished = `
An earlier run left its greeter unfinished: it goes on from where it was, and no other is enqueued.
`

const parked = ({ tried }: Row, filename: string) => `
The greeter has failed ${tried} times, and is parked: its row says where it stands, and why.
Leave this running. In a second terminal, in this folder:

  look at the row     npm run sql -- "table pg_task"
  fix the world       echo "Fixed World" > ${filename}
  clear the error     npm run sql -- "update pg_task set error = null where error is not null"
`

const done = (filename: string) => `
The greeter is done, and its row is gone. The worker stays, and waits for others:

  greet again         npm run sql -- "insert into pg_task (step) values ('{\\"Greeter\\":{\\"ReadName\\":{\\"filename\\":\\"${filename}\\"}}}')"
  stop all workers    npm run sql -- "select pg_notify('pg_task_changed', 'stop_worker')"

Or stop this one with Ctrl-C.
`

/** Says what is about to happen, given the rows of an earlier run. */
export const begin = (
  earlier: ReadonlyArray<Row>,
  file: { readonly name: string; readonly exists: boolean }
): Effect.Effect<void> => Console.log(earlier.length > 0 ? unfinished : file.exists ? ready(file.name) : fresh)

/** Watches the rows of `task`, and says what to do once one is parked, and when all are done. */
export const follow = (task: string, filename: string): Effect.Effect<void, SqlError, SqlClient> => {
  const told = new Set<string>()
  return watch(task, (rows) => {
    if (rows.length === 0) return Effect.as(Console.log(done(filename)), true)
    const stuck = rows.find((row) => row.error !== null && !told.has(`${row.id} ${row.tried}`))
    if (stuck === undefined) return Effect.succeed(false)
    told.add(`${stuck.id} ${stuck.tried}`)
    return Effect.as(Console.log(parked(stuck, filename)), false)
  })
}
