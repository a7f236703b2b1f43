/** A network between a worker and its database that can be cut, and that can lose answers. */
import { Deferred, Effect, type Scope } from "effect"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { statementCounter, type Statements } from "./Messages.ts"
import { within } from "./Wait.ts"

export interface Network {
  /** Leads to the database through here. */
  readonly url: string
  /** Ends all connections, and new ones at once. */
  readonly cut: Effect.Effect<void>
  readonly mend: Effect.Effect<void>
  /**
   * The next statement that has this in its text reaches the database, but no answer comes back on its connection.
   * The inner effect waits until it was sent.
   */
  readonly loseAnswer: (text: string) => Effect.Effect<Effect.Effect<void>>
  /** The same, but the answer comes once the second effect is run. */
  readonly holdAnswer: (text: string) => Effect.Effect<{
    readonly sent: Effect.Effect<void>
    readonly letGo: Effect.Effect<void>
  }>
  /**
   * From now on the connections that have sent this are silent: nothing comes through in either direction, and they
   * don't end.
   */
  readonly silence: (text: string) => Effect.Effect<void>
  /** The same for all connections, new ones included: these can be made, but nobody answers. */
  readonly silenceAll: Effect.Effect<void>
  /**
   * Lets so many more statements through. The next one does not reach the database: instead it is cut, as if the process
   * had been killed. The inner effect waits for that.
   */
  readonly cutAfter: (statements: number) => Effect.Effect<Effect.Effect<void>>
  /** How many statements were sent. */
  readonly statements: () => number
  /** The texts of all statements that were prepared. */
  readonly texts: () => ReadonlySet<string>
}

/** A statement whose answer is to be lost. */
interface Trap {
  readonly text: string
  readonly sent: Deferred.Deferred<void>
  /** Once it was sent: lets the answer through after all. */
  letGo: () => void
}

interface State {
  /** It listens all the same: a port that nobody listens on may be given to another process. */
  isCut: boolean
  readonly sockets: Set<Socket>
  /** What was sent on each connection, and how to make it silent. */
  readonly sent: Map<Socket, { text: string; readonly silence: () => void }>
  trap: Trap | undefined
  silent: boolean
  /** After how many statements everything ends. */
  last: { readonly count: number; readonly cut: () => void } | undefined
  /** What each connection has sent. */
  readonly counters: Array<Statements>
}

const countOf = ({ counters }: State) => counters.reduce((sum, { count }) => sum + count(), 0)

const pipe = (state: State, target: URL) => (socket: Socket) => {
  if (state.isCut) return void socket.resetAndDestroy()
  const { sent, sockets } = state
  const upstream = connect(Number(target.port === "" ? 5432 : target.port), target.hostname)
  const silence = () => {
    socket.unpipe(upstream).resume()
    upstream.unpipe(socket).resume()
  }
  const log = { text: "", silence }
  sent.set(socket, log)
  const counter = statementCounter()
  state.counters.push(counter)
  if (state.silent) queueMicrotask(silence)
  socket.on("data", (data) => {
    log.text += data.toString("latin1")
    const statements = counter.read(data)
    if (state.last !== undefined && countOf(state) > state.last.count) return state.last.cut()
    const { trap } = state
    if (trap === undefined || !statements.some((text) => text.includes(trap.text))) return
    state.trap = undefined
    upstream.unpipe(socket)
    trap.letGo = () => upstream.pipe(socket)
    Deferred.doneUnsafe(trap.sent, Effect.void)
  })
  for (const [one, other] of [[socket, upstream], [upstream, socket]] as const) {
    sockets.add(one)
    one.on("error", () => other.destroy()).on("close", () => {
      sockets.delete(one)
      sent.delete(one)
      other.destroy()
    })
    one.pipe(other)
  }
}

const listen = (server: Server) =>
  Effect.callback<number>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
  })

const close = (server: Server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))

const end = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void)).destroy()
  })

/** A network to the database of `url`: cut, until it is mended for the first time. */
export const makeNetwork = (url: string): Effect.Effect<Network, never, Scope.Scope> =>
  Effect.gen(function*() {
    const target = new URL(url)
    const state: State = {
      isCut: true,
      sockets: new Set(),
      sent: new Map(),
      trap: undefined,
      silent: false,
      last: undefined,
      counters: []
    }
    const server = createServer(pipe(state, target))
    const setCut = (isCut: boolean) => Effect.sync(() => void (state.isCut = isCut))
    const endAll = Effect.suspend(() =>
      Effect.forEach([...state.sockets], end, { concurrency: "unbounded", discard: true })
    )
    const cut = Effect.andThen(setCut(true), endAll)
    const port = yield* listen(server)
    yield* Effect.addFinalizer(() => Effect.andThen(cut, close(server)))
    const through = new URL(url)
    through.host = `127.0.0.1:${port}`
    const holdAnswer = (text: string) =>
      Effect.sync(() => {
        const trap: Trap = { text, sent: Deferred.makeUnsafe<void>(), letGo: () => {} }
        state.trap = trap
        return {
          sent: within(Deferred.await(trap.sent), `the statement "${text}"`),
          letGo: Effect.sync(() => trap.letGo())
        }
      })
    const loseAnswer = (text: string) => Effect.map(holdAnswer(text), ({ sent }) => sent)
    const silence = (text: string) =>
      Effect.sync(() => {
        for (const connection of state.sent.values()) if (connection.text.includes(text)) connection.silence()
      })
    const silenceAll = Effect.andThen(Effect.sync(() => (state.silent = true)), silence(""))
    const statements = () => countOf(state)
    const cutAfter = (count: number) =>
      Effect.sync(() => {
        const over = Deferred.makeUnsafe<void>()
        state.last = {
          count: statements() + count,
          cut: () => {
            state.isCut = true
            for (const socket of state.sockets) socket.destroy()
            Deferred.doneUnsafe(over, Effect.void)
          }
        }
        return Deferred.await(over)
      })
    const texts = () => new Set(state.counters.flatMap((counter) => counter.texts()))
    const faults = { cut, mend: setCut(false), loseAnswer, holdAnswer, silence, silenceAll, cutAfter }
    return { url: through.href, ...faults, statements, texts }
  })
