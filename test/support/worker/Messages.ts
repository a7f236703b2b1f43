/** What a client sends to Postgres, message by message. */

/** Counts the statements in what is sent on one connection, which must not be encrypted. */
export const statementCounter = (): { readonly read: (data: Buffer) => void; readonly count: () => number } => {
  let rest: Buffer = Buffer.alloc(0)
  let started = false
  let count = 0
  const read = (data: Buffer) => {
    rest = Buffer.concat([rest, data])
    for (;;) {
      // The first message of a connection has no type.
      const header = started ? 1 : 0
      if (rest.length < header + 4) return
      const length = header + rest.readUInt32BE(header)
      if (rest.length < length) return
      // `Q` is a simple query, `E` executes a prepared one.
      if (started && "QE".includes(String.fromCharCode(rest[0]!))) count++
      // A request for encryption has 8 bytes. Its answer is no, and then comes the first message.
      started ||= length > 8
      rest = rest.subarray(length)
    }
  }
  return { read, count: () => count }
}
