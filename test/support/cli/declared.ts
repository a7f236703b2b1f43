/** A module for `pg-task --module` that only declares a task. */
import { Task } from "../../../src/index.ts"
import { ReadName, SayHello } from "./Greeter.ts"

export const Greeter = Task.declare("Greeter", { states: [ReadName, SayHello], entry: [ReadName] })
