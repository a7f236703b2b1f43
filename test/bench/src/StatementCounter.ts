import { Socket } from "node:net"
import { messageReader } from "./CountingProxy.ts"

let count = 0
let counting = false
const readers = new WeakMap<Socket, (chunk: Buffer) => void>()

/**
 * Counts the statements that this process sends from now on, on connections that it opens from now on. A proxy would
 * count, too, but it would also delay every notification. The connections must not be encrypted.
 */
export const countStatements = (): () => number => {
  if (!counting) {
    counting = true
    const write = Socket.prototype.write
    Socket.prototype.write = function(this: Socket, chunk: any, ...rest: Array<any>) {
      const reader = readers.get(this) ?? messageReader((type) => void (type === "Q" || type === "E" ? count++ : 0))
      readers.set(this, reader)
      reader(typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
      return (write as any).call(this, chunk, ...rest)
    } as typeof write
  }
  return () => count
}
