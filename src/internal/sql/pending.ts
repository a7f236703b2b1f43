/**
 * Replacing the state of a task. The new state comes into a column of its own, `pending`, and a trigger gives it its
 * place: at once if the task doesn't run, else when its attempt ends, however it ends. The trigger sees all of these
 * ways, those by hand too, and each of them on the newest version of the row.
 *
 * `pending` is `{"step", "at", "trace"}`: the state, when it is due, and the trace of whoever has stored it.
 */
import { setNames } from "./names.ts"
import { nextTransitionSql } from "./transitions.ts"

/**
 * The state begins anew: with no tries, no error, and another idempotency key than all before it. If it needs a slot, it
 * waits for one as a row from SQL does.
 */
const createFunction = `create or replace function pg_task_take_pending() returns trigger language plpgsql as $$
begin
  new.step = new.pending ->> 'step';
  ${setNames}
  new.wakeup_at = (new.pending ->> 'at')::timestamptz;
  new.trace = new.pending ->> 'trace';
  new.pending = null;
  new.transitions = ${nextTransitionSql("old.transitions")};
  new.tried = 0;
  new.crashes = 0;
  new.error = null;
  new.last_error = null;
  new.ended_at = null;
  new.kept_until = null;
  new.waits_for = null;
  new.wait_until = null;
  new.limit_key = null;
  new.slot = null;
  new.slots = null;
  new.wakes = old.wakes + 1;
  return new;
end $$`

export const createPending: ReadonlyArray<string> = [
  createFunction,
  "drop trigger if exists pg_task_replaced on pg_task",
  `create trigger pg_task_replaced before update on pg_task for each row
  when (new.pending is not null and not new.is_running) execute function pg_task_take_pending()`
]
