/** What a client sends to Postgres, message by message. */

/** What is sent on one connection, which must not be encrypted. */
export interface Statements {
  readonly read: (data: Buffer) => void
  readonly count: () => number
  /** The texts of the statements that were prepared. */
  readonly texts: () => ReadonlyArray<string>
}

export const statementCounter = (): Statements => {
  const texts: Array<string> = []
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
      // `P` prepares one: its name and its text end with NUL.
      if (started && rest[0] === 0x50) texts.push(rest.subarray(5, length).toString().split("\0")[1]!)
      // A request for encryption has 8 bytes. Its answer is no, and then comes the first message.
      started ||= length > 8
      rest = rest.subarray(length)
    }
  }
  return { read, count: () => count, texts: () => texts }
}
