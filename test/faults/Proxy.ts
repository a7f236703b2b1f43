/** A network between workers and their database that can be made bad. */
import { Effect, type Scope } from "effect"
import * as net from "node:net"

export type Weather =
  /** Everything comes through at once. */
  | { readonly _tag: "Fair" }
  /** Nothing comes through, and nobody is told. */
  | { readonly _tag: "Stall" }
  /** Every packet takes so many milliseconds longer. */
  | { readonly _tag: "Delay"; readonly millis: number }
  /** What the clients send arrives, and the answers don't. Cut the connections afterwards. */
  | { readonly _tag: "Deaf" }
  /** Who connects is thrown out. */
  | { readonly _tag: "Refuse" }

export interface Proxy {
  readonly port: number
  readonly set: (weather: Weather) => Effect.Effect<void>
  /** Ends every connection, rudely. */
  readonly cut: Effect.Effect<void>
  /** Sends new connections to another port of this machine. */
  readonly point: (port: number) => Effect.Effect<void>
}

type Look = () => Weather

/** One direction of a connection. Packets keep their order, whatever the weather. */
class Lane {
  private readonly packets: Array<Buffer> = []
  private readonly look: Look
  private readonly to: net.Socket
  private readonly answers: boolean
  private busy = false

  constructor(look: Look, to: net.Socket, answers: boolean) {
    this.look = look
    this.to = to
    this.answers = answers
  }

  add(packet: Buffer): void {
    this.packets.push(packet)
    this.pump()
  }

  pump(): void {
    const weather = this.look()
    while (!this.busy && this.packets.length > 0 && weather._tag !== "Stall") {
      const packet = this.packets.shift()!
      if (weather._tag === "Delay") this.later(packet, weather.millis)
      else this.send(packet)
    }
  }

  private later(packet: Buffer, millis: number): void {
    this.busy = true
    setTimeout(() => {
      this.busy = false
      this.send(packet)
      this.pump()
    }, millis)
  }

  private send(packet: Buffer): void {
    if (this.to.writable && !(this.answers && this.look()._tag === "Deaf")) this.to.write(packet)
  }
}

class Network {
  readonly server: net.Server
  private readonly sockets = new Set<net.Socket>()
  private readonly lanes = new Set<Lane>()
  private weather: Weather = { _tag: "Fair" }
  private target: number

  constructor(target: number) {
    this.target = target
    this.server = net.createServer((client) => {
      if (this.weather._tag === "Refuse") client.resetAndDestroy()
      else this.join(client, net.connect(this.target, "127.0.0.1"))
    })
  }

  set(weather: Weather): void {
    this.weather = weather
    for (const lane of this.lanes) lane.pump()
  }

  point(port: number): void {
    this.target = port
  }

  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy()
  }

  private join(client: net.Socket, server: net.Socket): void {
    this.connect(client, server, false)
    this.connect(server, client, true)
  }

  private connect(from: net.Socket, to: net.Socket, answers: boolean): void {
    const lane = new Lane(() => this.weather, to, answers)
    this.lanes.add(lane)
    this.sockets.add(from)
    from.setNoDelay(true)
    from.on("data", (packet) => lane.add(packet))
    // Whatever ended it: `close` follows.
    from.on("error", () => {})
    from.on("close", () => {
      this.lanes.delete(lane)
      this.sockets.delete(from)
      to.destroySoon()
    })
  }
}

const listen = (server: net.Server) =>
  Effect.callback<number>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as net.AddressInfo).port)))
  })

/** A proxy for a port of this machine, as long as the scope. */
export const makeProxy = (target: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    const network = new Network(target)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        network.cut()
        network.server.close()
      })
    )
    return {
      port: yield* listen(network.server),
      set: (weather) => Effect.sync(() => network.set(weather)),
      cut: Effect.sync(() => network.cut()),
      point: (port) => Effect.sync(() => network.point(port))
    }
  })
