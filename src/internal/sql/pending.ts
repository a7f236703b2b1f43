/**
 * Replacing the state of a task. The new state comes into a column of its own, `pending`, and a trigger gives it its
 * place: at once if the task doesn't run, else when its attempt ends, however it ends. The trigger sees all of these
 * ways, those by hand too, and each of them on the newest version of the row.
 *
 * `pending` is `{"step", "at", "trace"}`: the state, when it is due, and the trace of whoever has stored it.
 */
import { leaveChildren } from "./leftChildren.ts"
import { setNames } from "./names.ts"
import { nextTransitionSql } from "./transitions.ts"

/**
 * The state begins anew: with no tries, no error, and another idempotency key than all before it. If it needs a slot, it
 * waits for one as a row from SQL does.
 *
 * People may write anything into `pending`. Without a time the state is due at once. What is no state, or no time, parks
 * the row: an error here would fail the statement that frees the rows of a worker that has crashed, with all rows of
 * its batch, again and again.
 *
 * The body of a trigger's function. Its declarations are {@link declarePending}.
 */
export const takePending = `begin
    new.wakeup_at = coalesce((new.pending ->> 'at')::timestamptz, now());
  exception when data_exception then
    new.wakeup_at = now();
    unfit = format('its "at" is %L, which is no time', new.pending ->> 'at');
  end;
  if new.pending ->> 'step' is null then unfit = 'it has no "step"'; end if;
  new.step = coalesce(new.pending ->> 'step', new.step);
  ${setNames}
  new.trace = new.pending ->> 'trace';
  new.pending = null;
  new.transitions = ${nextTransitionSql("old.transitions")};
  new.tried = 0;
  new.crashes = 0;
  new.error = case when unfit is not null then
    format('The state that was to replace this one, in the column "pending", is malformed: %s. Write a state into '
      || '"step", and clear this error. It was: %s', unfit, left(old_pending, 500)) end;
  new.last_error = null;
  new.ended_at = null;
  new.kept_until = null;
  new.waits_for = null;
  new.wait_until = null;
  new.limit_key = null;
  new.slot = null;
  new.slots = null;
  new.wakes = old.wakes + 1;
  ${leaveChildren}
  return new;`

export const declarePending = `unfit text;
  old_pending constant text := new.pending::text;`

export const createPendingFunction =
  `create or replace function pg_task_take_pending() returns trigger language plpgsql as $$
declare
  ${declarePending}
begin
  ${takePending}
end $$`

export const createPending: ReadonlyArray<string> = [
  createPendingFunction,
  "drop trigger if exists pg_task_replaced on pg_task",
  `create trigger pg_task_replaced before update on pg_task for each row
  when (new.pending is not null and not new.is_running) execute function pg_task_take_pending()`
]
