/** What a client sends to Postgres, message by message. */

/** What is sent on one connection, which must not be encrypted. */
export interface Statements {
  /** The texts of the statements that these bytes carry out. */
  readonly read: (data: Buffer) => ReadonlyArray<string>
  readonly count: () => number
  /** The texts of the statements that were prepared. */
  readonly texts: () => ReadonlyArray<string>
}

export const statementCounter = (): Statements => {
  const texts: Array<string> = []
  const prepared = new Map<string, string>()
  let rest: Buffer = Buffer.alloc(0)
  let started = false
  let count = 0
  const note = (type: string, [first = "", second = ""]: ReadonlyArray<string>, carriedOut: Array<string>) => {
    // `Q` is a simple query, `E` executes a prepared one.
    if (type === "Q" || type === "E") count++
    if (type === "Q") carriedOut.push(first)
    // `P` prepares one: its name and its text. `B` binds values to it: the name of a portal, and its own.
    if (type === "P") {
      texts.push(second)
      prepared.set(first, second)
    }
    if (type === "B") carriedOut.push(prepared.get(second) ?? "")
  }
  const read = (data: Buffer) => {
    const carriedOut: Array<string> = []
    rest = Buffer.concat([rest, data])
    for (;;) {
      // The first message of a connection has no type.
      const header = started ? 1 : 0
      if (rest.length < header + 4) return carriedOut
      const length = header + rest.readUInt32BE(header)
      if (rest.length < length) return carriedOut
      if (started) note(String.fromCharCode(rest[0]!), rest.subarray(5, length).toString().split("\0"), carriedOut)
      // A request for encryption has 8 bytes. Its answer is no, and then comes the first message.
      started ||= length > 8
      rest = rest.subarray(length)
    }
  }
  return { read, count: () => count, texts: () => texts }
}
