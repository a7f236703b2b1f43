/**
 * The columns `task` and `state`, which hold the names in a `step` of the shape `{"Task":{"State":…}}`. They are set by
 * triggers. They were generated columns before: Postgres reads the expressions of these anew for each statement, and
 * computes them for each claimed row, too, which made a claim a quarter dearer, and a `NextStep.now` by half.
 */
import { jsonName } from "./schema.ts"

/**
 * What this library writes has no spaces, and no escapes in names. The other spellings are read as JSON; of these only
 * the beginning, because a long state must not make every write slow. A tag that has escapes for characters that this
 * database can't hold keeps them. The body of a function: it calls no other one, which another search path may hide.
 */
export const setNames = String.raw`if octet_length(new.step) < 5000 and new.step like '{"%}}'
    and split_part(new.step, '"', 3) = ':{' and split_part(new.step, '"', 5) like ':%'
    and split_part(new.step, '"', 2) <> ''
    and split_part(new.step, '"', 2) || split_part(new.step, '"', 4) ~ '^[^\\[:cntrl:]]+$' then
    new.task = split_part(new.step, '"', 2);
    new.state = split_part(new.step, '"', 4);
  else
    declare
      start constant text := left(new.step, 2000);
      foreign_escape constant text :=
        case getdatabaseencoding() when 'UTF8' then '\\u0000' when 'LATIN1' then '\\u(?!00)' else '\\u(?!00[0-7])' end;
    begin
      new.task = null;
      new.state = null;
      if right(new.step, 200) ~ '\}\s*\}\s*$' then
        new.task = ('"' || substring(start from '^\s*\{\s*"(${jsonName})"\s*:\s*\{\s*"') || '"')::json #>> '{}';
      end if;
      if new.task is not null then
        new.state = substring(start from '^\s*\{\s*"${jsonName}"\s*:\s*\{\s*"(${jsonName}|)"\s*:');
        if new.state !~ foreign_escape then new.state = ('"' || new.state || '"')::json #>> '{}'; end if;
      end if;
    end;
  end if;`

/** Whether the names can be taken from this `step` as they stand there. It is JSON that this library has written. */
export const hasPlainNames = (step: string): boolean => /^\{"[^"\\]+":\{"[^"\\]+":/.test(step)

/** The columns of a new row, and their values. Where `plain` does not hold they are null: then the trigger sets them. */
export const nameColumns = "task, state"
export const namesOf = (step: string, plain: string): string =>
  `case when ${plain}::bool then split_part(${step}, '"', 2) end, case when ${plain}::bool then split_part(${step}, '"', 4) end`

/**
 * An insert may bring the names. An update may not: whatever it writes, they follow from `step`. A trigger without a
 * condition is cheaper for one row than to read a condition.
 */
export const createNames: ReadonlyArray<string> = [
  "alter table pg_task alter column task drop expression if exists, alter column state drop expression if exists",
  // Postgres 14 still takes the columns for its dependents: there it stays, and nothing calls it.
  `do $$ begin
  drop function if exists pg_task_names(text);
exception when dependent_objects_still_exist then null;
end $$`,
  `create or replace function pg_task_set_names() returns trigger language plpgsql as $$
begin
  ${setNames}
  return new;
end $$`,
  "drop trigger if exists pg_task_named on pg_task",
  `create trigger pg_task_named before insert on pg_task for each row when (new.state is null)
  execute function pg_task_set_names()`,
  "drop trigger if exists pg_task_moved on pg_task",
  `create trigger pg_task_moved before update of step, task, state on pg_task for each row
  execute function pg_task_set_names()`
]
