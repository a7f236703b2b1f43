/**
 * Reads from a value that may be anything, such as what user code has failed with: a getter, `toString`, `toJSON` or
 * a proxy may throw.
 */
export const safely = <A, B>(read: () => A, fallback: B): A | B => {
  try {
    return read()
  } catch {
    return fallback
  }
}
