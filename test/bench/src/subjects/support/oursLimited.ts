/** Ours, where tasks have groups, and only so many of a group may run. */
import { Effect, Schema } from "effect"
import { Limit, NextStep, Step, Task } from "../../../../../src/index.ts"
import { type Job, perGroup, type StepBody } from "../../Subject.ts"
import { runBody } from "./effect.ts"

const State = Schema.TaggedStruct("State", { seq: Schema.Number, sentAt: Schema.Number, group: Schema.String })

export const limited = ({ group, seq, sentAt }: Job) => State.make({ seq, sentAt, group: group!.name })

const ofGroup = Limit.make("group", { running: perGroup })

export const limitedTask = (body: StepBody) =>
  Task.make("Limited", [
    Step.make(State, {
      limit: ofGroup.by(({ group }) => group),
      handler: ({ seq, sentAt }) => Effect.as(runBody(body, { seq, sentAt, steps: 1, waits: false }, 0), NextStep.none)
    })
  ])
