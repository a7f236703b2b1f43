/** Ours, where tasks wait: for signals of each other, and for results. */
import { Effect, Layer, Schema } from "effect"
import { NextStep, Step, Task, Worker } from "../../../../../src/index.ts"
import { now } from "../../Subject.ts"
import { client, open } from "./effect.ts"

class Player extends Schema.TaggedClass<Player>()("Player", {
  other: Schema.String,
  left: Schema.Number,
  starts: Schema.Boolean
}) {}
class Ball extends Schema.TaggedClass<Ball>()("Ball", {}) {}

const Game = Task.declare("Game", { states: [Player], signals: [Ball] })

/** The signal and the move are one commit, so each ball is hit exactly once. */
const makeGame = (over: () => void) =>
  Task.make(Game, [
    Step.wait(Player, (on) => [
      on(Ball, {
        next: [Player],
        transactional: true,
        handler: Effect.fnUntraced(function*({ left, other, starts }) {
          if (left === 0) {
            over()
            return NextStep.none
          }
          yield* Game.signalByKey(other, new Ball())
          return left === 1 && !starts ? NextStep.none : NextStep.now(new Player({ left: left - 1, other, starts }))
        })
      })
    ])
  ])

export const pingPong = async (url: string, rounds: number): Promise<number> => {
  let over = () => {}
  const ended = new Promise<void>((resolve) => (over = resolve))
  const worker = Worker.layer({ tasks: [makeGame(() => over())], concurrency: 100 })
  const { close, run } = await open(Layer.provideMerge(worker, client(url)))
  await run(Effect.all([
    Game.enqueue(new Player({ other: "b", left: rounds, starts: true }), { key: "a" }),
    Game.enqueue(new Player({ other: "a", left: rounds, starts: false }), { key: "b" })
  ]))
  await new Promise((resolve) => setTimeout(resolve, 500))
  const start = now()
  await run(Game.signalByKey("a", new Ball()))
  await ended
  const took = now() - start
  await close()
  return took
}

class Work extends Schema.TaggedClass<Work>()("Work", { n: Schema.Number }) {}
class Done extends Schema.TaggedClass<Done>()("Done", { n: Schema.Number }) {}

const Short = Task.declare("Short", { states: [Work], final: [Done] })
const short = Task.make(Short, [
  Step.make(Work, { next: [Done], handler: ({ n }) => Effect.succeed(NextStep.now(new Done({ n }))) }),
  Step.final(Done)
])

export const execute = async (url: string, tasks: number): Promise<ReadonlyArray<number>> => {
  const worker = await open(Layer.provideMerge(Worker.layer({ tasks: [short], concurrency: 100 }), client(url)))
  // As another process would: with a client of its own.
  const caller = await open(client(url))
  const all: Array<number> = []
  for (let n = 0; n < tasks; n++) {
    const start = now()
    await caller.run(Short.execute(new Work({ n })))
    all.push(now() - start)
  }
  await caller.close()
  await worker.close()
  return all
}
