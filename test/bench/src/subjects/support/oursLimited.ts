/** Ours, where tasks have keys, and only so many of a key may run. */
import { Effect, Schema } from "effect"
import { Limit, NextStep, Step, Task } from "../../../../../src/index.ts"
import { type Job, perKey, type StepBody } from "../../Subject.ts"
import { runBody } from "./effect.ts"

const State = Schema.TaggedStruct("State", { seq: Schema.Number, sentAt: Schema.Number, key: Schema.String })

export const limited = ({ key, seq, sentAt }: Job) => State.make({ seq, sentAt, key: key!.name })

const ofKey = Limit.make("key", { running: perKey })

export const limitedTask = (body: StepBody) =>
  Task.make("Limited", [
    Step.make(State, {
      limit: ofKey.by(({ key }) => key),
      handler: ({ seq, sentAt }) => Effect.as(runBody(body, { seq, sentAt, steps: 1, waits: false }, 0), NextStep.none)
    })
  ])
