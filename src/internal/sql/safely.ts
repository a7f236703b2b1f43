/**
 * Reads from a value that may be anything, such as an error of user code. A getter, `toString`, `toJSON` or a proxy may
 * throw.
 */
export const safely = <A, B>(read: () => A, fallback: B): A | B => {
  try {
    return read()
  } catch {
    return fallback
  }
}
