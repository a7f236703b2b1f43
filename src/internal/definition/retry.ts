/** The valid values of RETRY_LIMIT and RETRY_DELAY, and the input of a schedule. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

export const isRetryLimit = (limit: number): boolean => Number.isInteger(limit) && limit >= 0 || limit === Infinity

/** None for what is no duration, or a negative one. */
export const toRetryDelay = (input: Duration.Input): Option.Option<Duration.Duration> =>
  Option.filter(Duration.fromInput(input), (delay) => !Duration.isNegative(delay))

const errorsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause.reasons.filter(Cause.isFailReason).map(({ error }) => error)

/** The defect of a schedule that reads {@link unseen}. */
const looked = new Error("The schedule was asked about an error that it isn't typed for")

/** A stand-in for an input: any use of it throws. */
const unseen: unknown = new Proxy(
  {},
  new Proxy({}, {
    get: () => () => {
      throw looked
    }
  })
)

/**
 * A schedule is typed for the errors of the step's own code: of the handler and of its `commit`. For a failure of
 * another kind its input is a stand-in that throws when it is read.
 */
export const inputOf = (cause: Cause.Cause<unknown>, own: Cause.Cause<unknown> | undefined): unknown => {
  const owned = own === undefined ? [] : errorsOf(own)
  const errors = errorsOf(cause).filter((error) => owned.includes(error))
  return errors.length === 0 ? unseen : errors[0]
}

/** Whether a schedule has read the stand-in: then it can't decide when to try again. */
export const hasLooked = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => Cause.isDieReason(reason) && reason.defect === looked)
