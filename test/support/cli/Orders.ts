/** A module that exports a task that waits, for `pg-task --module`. */
import { makeOrders } from "../worker/Orders.ts"

export const Orders = makeOrders()
