/** A network between a worker and its database that can be cut. */
import { Effect, type Scope } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"

export interface Network {
  /** Leads to the database through here. */
  readonly url: string
  /** Ends all connections, and refuses new ones. */
  readonly cut: Effect.Effect<void>
  readonly mend: Effect.Effect<void>
}

const pipe = (sockets: Set<Socket>, target: URL) => (socket: Socket) => {
  const upstream = connect(Number(target.port === "" ? 5432 : target.port), target.hostname)
  for (const [one, other] of [[socket, upstream], [upstream, socket]] as const) {
    sockets.add(one)
    one.on("error", () => other.destroy()).on("close", () => {
      sockets.delete(one)
      other.destroy()
    })
    one.pipe(other)
  }
}

const listen = (server: Server, port: number) =>
  Effect.callback<void>((resume) => {
    server.listen(port, "127.0.0.1", () => resume(Effect.void))
  })

/** A network to the database of `url`: cut, until it is mended for the first time. */
export const makeNetwork = (url: string): Effect.Effect<Network, never, Scope.Scope> =>
  Effect.gen(function*() {
    const target = new URL(url)
    const sockets = new Set<Socket>()
    const server = createServer(pipe(sockets, target))
    const cut = Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    // A port that is ours, and that nobody listens on now.
    yield* listen(server, 0)
    const { port } = server.address() as { readonly port: number }
    yield* cut
    yield* Effect.addFinalizer(() => cut)
    const through = new URL(url)
    through.host = `127.0.0.1:${port}`
    return { url: through.href, cut, mend: listen(server, port) }
  })
