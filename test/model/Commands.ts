/** What may happen to rows. Numbers pick among what is there when a command's turn comes; without any, it is skipped. */
import { Arbitrary, Schema } from "effect"
import { Answer } from "./ModelTasks.ts"

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const pick = upTo(7)
const worker = Schema.Literals([0, 1])
const n = upTo(2)
const someStep = Schema.Literals(["Plain", "Plain", "Safe", "Only", "an unknown state", "a misfit", "garbage"])

const Enqueue = Schema.TaggedStruct("Enqueue", {
  how: Schema.Literals(["enqueue", "delay", "schedule", "enqueueAll", "enqueueRaw", "insert", "insert"]),
  /** For all but inserts by hand, `Plain` in place of what is none of the task's states. */
  step: someStep,
  n
})

/** A key that a row may have already, in whatever status. */
const EnqueueKeyed = Schema.TaggedStruct("EnqueueKeyed", {
  key: Schema.Literals(["a", "b"]),
  onConflict: Schema.Literals(["keep", "fail", "replace", "replace", "replace", "debounce", "throttle"]),
  /** By `enqueueAll`, in a transaction. */
  many: Schema.Boolean,
  due: Schema.Literals(["now", "now", "in an hour"]),
  step: Schema.Literals(["Plain", "Plain", "Safe"]),
  n
})

/** The answer to a claim may be lost: then the worker gives back what it doesn't know, by its token. */
const Claim = Schema.TaggedStruct("Claim", {
  worker,
  limit: upTo(3),
  /** Starts at the moment at which some row is due, as a worker does that has just claimed up to there. */
  from: Schema.Literals(["the beginning", "the beginning", "a row"]),
  pick,
  answer: Schema.Literals(["heard", "heard", "heard", "lost"])
})

const ClaimSuspect = Schema.TaggedStruct("ClaimSuspect", { worker, lastChance: Schema.Boolean })

/** Attempts of one worker end, and are stored together: that of the first, and all others that are its own. */
const End = Schema.TaggedStruct("End", {
  attempts: Schema.Array(Schema.Struct({ pick, answer: Answer })).check(Schema.isMinLength(1), Schema.isMaxLength(3)),
  /** No more room for chains: these wait with all others. */
  full: Schema.Literals([false, false, false, true])
})

/** Outcomes of an earlier `End` arrive again. */
const Echo = Schema.TaggedStruct("Echo", { pick })

/** A worker renews its leases. Of those that it has lost it may end the attempts at once, or later. */
const Renew = Schema.TaggedStruct("Renew", { worker, interrupts: Schema.Boolean })

/** A worker sends once more that it gives back what it claimed with one statement. */
const ReleaseClaim = Schema.TaggedStruct("ReleaseClaim", { pick })

/** Time passes: a lease is over, or there never was one. */
const Lapse = Schema.TaggedStruct("Lapse", { pick, to: Schema.Literals(["the past", "the past", "nothing"]) })

/** A worker crashes: its attempts have no outcomes, and all its leases expire. */
const Die = Schema.TaggedStruct("Die", { worker })

/** A worker looks for leases that are over. */
const Sweep = Schema.TaggedStruct("Sweep", { worker })

const Clear = Schema.TaggedStruct("Clear", {
  pick,
  how: Schema.Literals(["one", "all", "all", "one and its tries", "Admin.retry"])
})

const Reschedule = Schema.TaggedStruct("Reschedule", {
  pick,
  how: Schema.Literals(["now", "all now", "all now", "later", "Admin.runNow"])
})

const Edit = Schema.TaggedStruct("Edit", {
  pick,
  how: Schema.Literals(["by hand", "by hand, though it runs", "Admin.edit", "Admin.editRaw"]),
  step: someStep,
  n
})

const Pause = Schema.TaggedStruct("Pause", { pick })

const SetCounts = Schema.TaggedStruct("SetCounts", { pick, tried: upTo(3), crashes: upTo(2) })

const Cancel = Schema.TaggedStruct("Cancel", { pick, how: Schema.Literals(["delete", "Admin.cancel"]) })

/** How often each of them comes, so that lives are long. */
const weights = [
  [Enqueue, 5],
  [EnqueueKeyed, 5],
  [Claim, 10],
  [ClaimSuspect, 5],
  [End, 14],
  [Echo, 4],
  [Lapse, 4],
  [Die, 1],
  [Sweep, 4],
  [Renew, 2],
  [ReleaseClaim, 1],
  [Clear, 3],
  [Reschedule, 4],
  [Edit, 1],
  [Pause, 2],
  [SetCounts, 2],
  [Cancel, 1]
] as const

const weighted = Schema.Union(weights.flatMap(([command, weight]) => Array.from({ length: weight }, () => command)))

export type Command = typeof weighted.Type

type Commands = ReadonlyArray<Command>

/** Half of the commands, a quarter, …, one of them: from the end to the beginning, so that what came after it goes first. */
const shorter = (commands: Commands): ReadonlyArray<Commands> => {
  const found: Array<Commands> = []
  for (let size = commands.length >> 1; size > 0; size >>= 1) {
    for (let end = commands.length; end > 0; end -= size) {
      found.push([...commands.slice(0, Math.max(end - size, 0)), ...commands.slice(end)])
    }
  }
  return found
}

/** Of attempts that end together, one each. */
const simpler = (commands: Commands): ReadonlyArray<Commands> =>
  commands.flatMap((command, n) =>
    command._tag !== "End" || command.attempts.length === 1
      ? []
      : command.attempts.map((one) => commands.with(n, { ...command, attempts: [one] }))
  )

/** A life is a list of commands. It shrinks by leaving commands out. */
export const life: Arbitrary.Arbitrary<Commands> = Arbitrary.schema(Schema.Array(weighted), {
  shrink: (commands) => [...shorter(commands), ...simpler(commands)]
})
