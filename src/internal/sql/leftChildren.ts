/**
 * What becomes of the children of a row whose state is replaced, or edited by hand. Those that the new state does not
 * hold go their own way, as after a move: a parent must not wait for what its state knows nothing of.
 *
 * These are parts of triggers on the parent, before its update. They name the table by its number, because the session
 * may have another search path.
 */

const leave = (more: string) =>
  `execute format($leave$
    update %s c set parent = null, updated_at = now() where c.parent = $1${more}
  $leave$, tg_relid::regclass)`

/** All of its children: a state that replaces another one holds none. */
export const leaveChildren = `${leave("")} using new.id;`

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

/** The same for a state that may hold some of them: as JSON they are ids. */
export const leaveMissingChildren = `${
  leave(` and c.id not in (select (m.ids)[1]::uuid from regexp_matches($2, '${uuid}', 'g') as m(ids))`)
} using new.id, new.step;`
