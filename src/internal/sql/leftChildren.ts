/**
 * What becomes of the children of a row whose state is replaced, or edited by hand. Those that the new state does not
 * hold go their own way, as after a move: a parent must not wait for what its state knows nothing of.
 */

/** In a trigger on the parent, before its update. All of its children: a state that replaces another one holds none. */
export const leaveChildren = "update pg_task c set parent = null, updated_at = now() where c.parent = new.id;"

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

/** The same for a state that may hold some of them: as JSON they are ids. */
export const leaveMissingChildren = `if exists (select from pg_task c where c.parent = new.id) then
      update pg_task c set parent = null, updated_at = now() where c.parent = new.id
        and c.id not in (select (m.ids)[1]::uuid from regexp_matches(new.step, '${uuid}', 'g') as m(ids));
    end if;`
