/** One life: commands, one after the other, each compared with the model. */
import { Cause, Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Command } from "./Commands.ts"
import * as Keyed from "./KeyCommands.ts"
import * as People from "./UserCommands.ts"
import * as Workers from "./Workers.ts"
import { begin, check, Mismatch, type World } from "./Harness.ts"

const perform = (world: World, command: Command): Effect.Effect<Workers.Expected, unknown, SqlClient.SqlClient> => {
  switch (command._tag) {
    case "Enqueue":
      return People.enqueue(world, command)
    case "EnqueueKeyed":
      return Keyed.enqueueKeyed(world, command)
    case "Claim":
      return Workers.claim(world, command)
    case "ClaimSuspect":
      return Workers.claimQuarantined(world, command)
    case "End":
      return Workers.end(world, command)
    case "Echo":
      return Workers.echo(world, command)
    case "Renew":
      return Workers.renew(world, command)
    case "ReleaseClaim":
      return Workers.releaseClaim(world, command)
    case "Sweep":
      return Workers.sweep(world, command)
    default:
      return performByPeople(world, command)
  }
}

type ByWorkers =
  | "Enqueue"
  | "EnqueueKeyed"
  | "Claim"
  | "ClaimSuspect"
  | "End"
  | "Echo"
  | "Renew"
  | "ReleaseClaim"
  | "Sweep"
type ByPeople = Exclude<Command, { readonly _tag: ByWorkers }>

const performByPeople = (world: World, command: ByPeople) => {
  switch (command._tag) {
    case "Lapse":
      return People.lapse(world, command)
    case "Clear":
      return People.clear(world, command)
    case "Reschedule":
      return People.reschedule(world, command)
    case "Edit":
      return People.edit(world, command)
    case "Pause":
      return People.pause(world, command)
    case "Die":
      return People.die(world, command)
    case "SetCounts":
      return People.setCounts(world, command)
    case "Cancel":
      return People.cancel(world, command)
  }
}

const describe = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Mismatch ? error.message : Cause.pretty(cause)
}

/** Lives through it, from an empty table. Whatever goes wrong is a failure that names the command. */
export const live = (commands: ReadonlyArray<Command>): Effect.Effect<boolean, string, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const world = yield* Effect.orDie(begin)
    for (const [n, command] of commands.entries()) {
      const step = Effect.flatMap(perform(world, command), ({ notes, rows }) => check(world, rows, notes))
      yield* Effect.catchCause(step, (cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.fail(`command ${n + 1}, ${JSON.stringify(command)}:\n${describe(cause)}`))
    }
    return true
  })
