import { createServer, connect } from "node:net"
import type { AddressInfo, Socket } from "node:net"

/** A proxy before the server that counts what is asked of it. */
export interface CountingProxy {
  /** The server's URL, by way of the proxy. */
  readonly url: string
  readonly queries: () => number
  readonly close: () => Promise<void>
}

/** Starts one. The connection must not be encrypted: its messages are read. */
export const countQueries = async (serverUrl: string): Promise<CountingProxy> => {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let count = 0

  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname)
    const read = messageReader((type) => {
      // `Q` is a simple query, `E` the execution of a prepared one.
      if (type === "Q" || type === "E") count++
    })
    client.on("data", read)
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.pipe(other)
      socket.on("error", () => other.destroy())
      socket.on("close", () => sockets.delete(socket))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))

  const url = new URL(serverUrl)
  url.hostname = "127.0.0.1"
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    queries: () => count,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** Cuts a client's bytes into messages, and tells each one's type. The first has none: it is the startup message. */
export const messageReader = (onMessage: (type: string) => void): (chunk: Buffer) => void => {
  let buffered: Buffer = Buffer.alloc(0)
  let started = false
  return (chunk) => {
    buffered = Buffer.concat([buffered, chunk])
    while (true) {
      const header = started ? 1 : 0
      if (buffered.length < header + 4) return
      const length = header + buffered.readUInt32BE(header)
      if (buffered.length < length) return
      if (started) onMessage(String.fromCharCode(buffered[0]!))
      // An SSL request (8 bytes) is answered with a byte, and the startup message follows.
      else started = length > 8
      buffered = buffered.subarray(length)
    }
  }
}
