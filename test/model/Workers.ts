/** What workers do, on the table and in the model: claim, end, renew, release, take over. */
import { Effect } from "effect"
import type { Command } from "./Commands.ts"
import * as Hands from "./WorkerStatements.ts"
import * as Model from "./Model.ts"
import { type Attempt, expect, type World } from "./Harness.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

/** What a command should have made of the table. */
export interface Expected {
  readonly rows: Model.Rows
  readonly notes: number
}

export const change = (world: World, rows: Iterable<Model.Row>): Expected => {
  const changed = new Map(world.rows)
  for (const row of rows) changed.set(row.id, row)
  return { rows: changed, notes: world.notes }
}

export const pickFrom = <A>(from: Iterable<A>, pick: number): A | undefined => {
  const all = [...from]
  return all[pick % all.length]
}

const sameIds = (actual: Iterable<string>, expected: Iterable<string>) =>
  expect(
    [...actual].toSorted().join() === [...expected].toSorted().join(),
    `the answer was ${[...actual].join()}, and should have been ${[...expected].join()}`
  )

// ---------------------------------------------------------------------------------------------------------------
// Claims
// ---------------------------------------------------------------------------------------------------------------

/** The earliest of those that may be claimed, as many as were asked for. Of equals any. */
const checkClaim = (may: ReadonlyArray<Model.Row>, limit: number, got: ReadonlyArray<Hands.ClaimedRow>) => {
  const ids = new Set<string>(got.map(({ id }) => id))
  const allowed = new Map(may.map((row) => [row.id, row]))
  const wakeups = (taken: boolean) =>
    may.filter(({ id }) => ids.has(id) === taken).map(({ wakeup }) => wakeup as number)
  const latest = Math.max(-Infinity, ...wakeups(true))
  const earliestLeft = Math.min(Infinity, ...wakeups(false))
  return Effect.gen(function*() {
    yield* expect(got.every(({ id }) => allowed.has(id)), "claimed what it may not")
    yield* expect(ids.size === got.length && got.length === Math.min(limit, may.length), `claimed ${got.length} rows`)
    yield* expect(latest <= earliestLeft, "claimed a later one before an earlier one")
    for (const { crashes, due, id, step, transitions, tried } of got) {
      const row = allowed.get(id)!
      const same = step === row.step && tried === row.tried && transitions === row.transitions &&
        crashes === row.crashes
      yield* expect(same && Math.abs(due * 1000 - (row.wakeup as number)) <= 1, `answered wrongly of ${id}`)
    }
  })
}

/** In the order of the table, which is the same at each replay. */
const admit = (world: World, worker: number, token: string, got: ReadonlyArray<Hands.ClaimedRow>) => {
  const byId = new Map<string, Hands.ClaimedRow>(got.map((row) => [row.id, row]))
  return [...world.rows.values()].filter(({ id }) => byId.has(id)).map((row) => {
    world.attempts.push({
      worker,
      claimed: Hands.toClaimed(byId.get(row.id)!, token),
      belief: Model.believe(row, token)
    })
    return Model.claimed(row, token)
  })
}

export const claim = (world: World, { answer, from, limit, pick, worker }: Of<"Claim">) =>
  Effect.gen(function*() {
    const token = crypto.randomUUID()
    const start = from === "a row" ? pickFrom(world.rows.values(), pick)?.wakeup as number | undefined : undefined
    const most = limit + 1
    const millis = start === undefined ? undefined : start / 1000
    const got = yield* Hands.claim({ worker, token, limit: most, from: millis })
    const may = [...world.rows.values()].filter((row) =>
      Model.isClaimable(row, Hands.tasksOf(worker), world.clock) &&
      (start === undefined || (row.task !== null && (row.wakeup as number) >= start))
    )
    yield* checkClaim(may, most, got)
    if (answer === "lost") {
      yield* sameIds((yield* Hands.releaseClaim(token)).map(({ id }) => id), got.map(({ id }) => id))
      return change(world, got.map(({ id }) => Model.released(world.rows.get(id)!)))
    }
    return change(world, admit(world, worker, token, got))
  })

export const claimQuarantined = (world: World, { lastChance, worker }: Of<"ClaimSuspect">) =>
  Effect.gen(function*() {
    const token = crypto.randomUUID()
    const most = lastChance ? 1000 : Model.maxCrashes - 2
    const got = yield* Hands.claimQuarantined(worker, token, most)
    const may = [...world.rows.values()].filter((row) =>
      Model.isSuspect(row, Hands.tasksOf(worker), world.clock) && row.crashes <= most
    )
    yield* checkClaim(may, 1, got)
    return change(world, admit(world, worker, token, got))
  })

// ---------------------------------------------------------------------------------------------------------------
// Ends
// ---------------------------------------------------------------------------------------------------------------

interface Ended {
  readonly attempt: Attempt
  readonly ending: Model.Ending
  readonly outcome: Hands.Outcome
  readonly current: boolean
}

const forget = (world: World, attempt: Attempt) => {
  world.attempts = world.attempts.filter((other) => other !== attempt)
}

/** An attempt that goes on to its next step keeps its row, and its token. */
const goOn = (world: World, { attempt, current, ending }: Ended) => {
  const goesOn = ending._tag === "Continued" && world.rows.get(attempt.belief.id)?.pending === null
  if (!current || !goesOn) return forget(world, attempt)
  const { belief } = attempt
  attempt.belief = { ...belief, step: ending.step, tried: 0, transitions: belief.transitions + 1 }
  attempt.claimed.advance(ending.step)
}

/** Runs an attempt, and checks what its handler was told and what came of it. */
const runAttempt = Effect.fnUntraced(function*(world: World, attempt: Attempt, command: Of<"End">, n: number) {
  const { belief, claimed, worker } = attempt
  const { answer } = command.attempts[n]!
  const expected = Model.endingOf(belief, answer)
  const { outcome, told } = answer.does === "not run"
    ? { outcome: { _tag: "Released" } as const, told: undefined }
    : yield* Hands.run(worker, claimed, answer)
  const wanted = { id: belief.id, attempt: belief.tried + 1, key: `${belief.id}:${belief.transitions}` }
  yield* expect(
    JSON.stringify(told) === JSON.stringify(expected.ran ? wanted : undefined),
    "was told wrongly who it is"
  )
  const current = Model.isCurrent(world.rows.get(belief.id), belief)
  const together = expected.notes !== undefined && current
  yield* expect((outcome._tag === "Stored") === together, `its outcome is ${outcome._tag}`)
  const ending: Model.Ending = expected.notes !== undefined && !current ? { _tag: "Released" } : expected.ending
  return { ended: { attempt, ending, outcome, current }, notes: together ? expected.notes : 0 }
})

/** With no more room for chains, a step that is due at once waits as all others do. */
const whenFull = (ended: Ended): Ended =>
  ended.ending._tag !== "Continued" || ended.outcome._tag !== "Continued" ? ended : {
    ...ended,
    ending: { _tag: "Rescheduled", step: ended.ending.step, wakeup: { fromNow: 0 } },
    outcome: { _tag: "Rescheduled", step: ended.outcome.step, delay: 0 }
  }

/** Stores what wasn't stored in a transaction, with one statement. */
const storeAll = Effect.fnUntraced(function*(world: World, all: ReadonlyArray<Ended>) {
  const entries = all.flatMap(({ attempt: { claimed }, outcome }) =>
    outcome._tag === "Stored" ? [] : [{ claimed, outcome }]
  )
  if (entries.length === 0) return
  const changes = Hands.changesOf(entries)
  const sent = all.filter(({ outcome }) => outcome._tag !== "Stored")
  const current = sent.filter(({ current }) => current)
  yield* sameIds(yield* Hands.store(changes), current.map(({ attempt }) => attempt.belief.id))
  const outcomes = sent.map(({ attempt: { belief }, ending }) => ({ belief, ending }))
  if (world.sent.unshift({ changes, outcomes }) > 8) world.sent.pop()
})

const picked = ({ attempts: all }: World, { attempts }: Of<"End">): ReadonlyArray<Attempt> => {
  const found = new Set(attempts.flatMap(({ pick }) => pickFrom(all, pick) ?? []))
  const [first] = found
  return [...found].filter(({ worker }) => worker === first!.worker)
}

export const end = (world: World, command: Of<"End">) =>
  Effect.gen(function*() {
    const all: Array<Ended> = []
    let notes = world.notes
    for (const [n, attempt] of picked(world, command).entries()) {
      const one = yield* runAttempt(world, attempt, command, n)
      all.push(command.full ? whenFull(one.ended) : one.ended)
      notes += one.notes
    }
    yield* storeAll(world, all)
    const rows = new Map(world.rows)
    for (const ended of all) {
      const { belief } = ended.attempt
      const row = ended.current ? Model.ended(rows.get(belief.id)!, ended.ending) : rows.get(belief.id)
      if (row === undefined) rows.delete(belief.id)
      else rows.set(belief.id, row)
      goOn(world, ended)
    }
    return { rows, notes }
  })

/** Outcomes arrive once more, however late: with the next try after an answer was lost, or from a slow connection. */
export const echo = (world: World, { pick }: Of<"Echo">) =>
  Effect.gen(function*() {
    const chains = world.sent.filter(({ outcomes }) => outcomes.some(({ ending }) => ending._tag === "Continued"))
    // Mostly those that may still find a row of theirs.
    const sent = pickFrom(pick > 5 || chains.length === 0 ? world.sent : chains, pick)
    if (sent === undefined) return change(world, [])
    const known = sent.outcomes.flatMap(({ belief, ending }) => {
      const row = world.rows.get(belief.id)
      if (ending._tag !== "Continued" || !Model.isCurrentAgain(row, belief)) return []
      // The worker has not begun the next step: it would have done so only with the answer.
      return [row.pending === null ? Model.endedAgain(row, ending) : Model.released(row)]
    })
    yield* sameIds(yield* Hands.store(sent.changes), known.map(({ id }) => id))
    return change(world, known)
  })

// ---------------------------------------------------------------------------------------------------------------
// Leases
// ---------------------------------------------------------------------------------------------------------------

export const renew = (world: World, { interrupts, worker }: Of<"Renew">) =>
  Effect.gen(function*() {
    const own = world.attempts.filter((attempt) => attempt.worker === worker)
    const kept = own.filter(({ belief }) => Model.holds(world.rows.get(belief.id), belief.token))
    const answer = (yield* Hands.renew(own.map(({ claimed }) => claimed))).filter(({ state }) => state !== "taken")
    yield* sameIds(answer.map(({ id }) => id), kept.map(({ belief }) => belief.id))
    yield* expect(answer.every(({ state }) => state === "renewed"), "did not renew a lease that nobody held up")
    if (interrupts) { for (const lost of own.filter((attempt) => !kept.includes(attempt))) forget(world, lost) }
    return change(world, kept.map(({ belief }) => Model.renewed(world.rows.get(belief.id)!)))
  })

export const releaseClaim = (world: World, { pick }: Of<"ReleaseClaim">) =>
  Effect.gen(function*() {
    const token = pickFrom(world.attempts, pick)?.belief.token
    if (token === undefined) return change(world, [])
    const freed = [...world.rows.values()].filter((row) => Model.holds(row, token))
    yield* sameIds((yield* Hands.releaseClaim(token)).map(({ id }) => id), freed.map(({ id }) => id))
    return change(world, freed.map(Model.released))
  })

export const sweep = (world: World, { worker }: Of<"Sweep">) =>
  Effect.gen(function*() {
    const tasks = Hands.tasksOf(worker)
    const lapsed = [...world.rows.values()].filter((row) => Model.isLapsed(row, tasks, world.clock)).map(
      Model.takenOver
    )
    const answer = yield* Hands.sweep(worker)
    yield* sameIds(
      answer.map(({ crashes, id, parked }) => `${id} ${crashes} ${parked}`),
      lapsed.map((row) => Model.replaced(row, world.rows.get(row.id)))
        .map(({ crashes, error, id }) => `${id} ${crashes} ${error !== null}`)
    )
    return change(world, lapsed)
  })
