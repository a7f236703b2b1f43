/**
 * The one error of the embedded Postgres, in a file of its own because the parts below `internal` raise it too.
 */
import * as Schema from "effect/Schema"

/**
 * The embedded Postgres can't be started, or not be kept running. The message says what to do about it.
 *
 * @category errors
 * @since 0.1.0
 */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Turns whatever a system call threw into an error that says what was being done. */
export const because = (doing: string) => (cause: unknown): EmbeddedPostgresError =>
  new EmbeddedPostgresError({ message: `${doing}: ${cause instanceof Error ? cause.message : String(cause)}`, cause })
