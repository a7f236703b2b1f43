import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServer } from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { createServer } from "node:http"
import { userInfo } from "node:os"
import * as Dashboard from "../../Dashboard.ts"
import { connected, databaseName, limits, within } from "../connection.ts"
import { UsageError } from "../exit.ts"
import { gate, makeToken } from "../input/gate.ts"
import { Json, optionalModule } from "../input/flags.ts"
import { loadAll } from "../input/tasksModule.ts"
import * as Output from "../output/print.ts"
import * as Activity from "../../Activity.ts"

/** Nobody but this machine reaches it. */
const host = "127.0.0.1"

const defaultPort = 5480

const maxPort = 65_535

/** Containers may run as a user that has no name. */
const ownName = Effect.sync(() => {
  try {
    return userInfo().username
  } catch {
    return "somebody"
  }
})

const server = (port: number) =>
  NodeHttpServer.layer(createServer, { port, host, gracefulShutdownTimeout: "100 millis" }).pipe(
    Layer.catchTag("ServeError", ({ cause }) =>
      Layer.effectContext(Effect.fail(
        new UsageError({ message: `Port ${port} can't be used (${String(cause)}): give another one with --port` })
      )))
  )

interface Options {
  readonly module: string | undefined
  readonly port: number
  readonly write: boolean
  readonly traceUrl: Option.Option<string>
}

/** What stands for the id of a trace in an address. */
const placeholder = "{trace}"

const toTraceUrl = (given: string): Effect.Effect<(traceId: string) => string, UsageError> =>
  given.includes(placeholder) && /^https?:\/\//.test(given)
    ? Effect.succeed((traceId) => given.replaceAll(placeholder, traceId))
    : new UsageError({
      message:
        `--trace-url "${given}" must be an address with ${placeholder} in it: http://localhost:16686/trace/${placeholder}`
    })

const serve = Effect.fnUntraced(function*({ module, port, traceUrl, write }: Options) {
  const tasks = module === undefined ? [] : yield* loadAll(module)
  const toAddress = Option.isNone(traceUrl) ? undefined : yield* toTraceUrl(traceUrl.value)
  // Before anybody looks: so that a wrong address or a missing table is an error of the command.
  yield* within(limits.read)(Activity.traffic)
  const name = yield* ownName
  const token = makeToken()
  const dashboard = Dashboard.layer({
    path: "/",
    tasks,
    access: Effect.succeed({ name, may: write ? "write" : "read" }),
    traceUrl: toAddress
  })
  const app = HttpRouter.serve(Layer.merge(dashboard, gate(token)), { disableLogger: true, disableListenLog: true })
  const context = yield* Layer.build(Layer.provideMerge(app, server(port)))
  const { address } = Context.get(context, HttpServer)
  const url = `http://${host}:${"port" in address ? address.port : port}/?token=${token}`
  yield* (yield* Json)
    ? Output.jsonLine({ url })
    : Console.log(`The dashboard of ${yield* databaseName}${write ? "" : ", read only"}: ${url}`)
  return yield* Effect.never
}, Effect.scoped)

export const web = Command.make(
  "web",
  {
    module: optionalModule,
    port: Flag.Int("port").pipe(
      Flag.withDescription(`Where it listens, on this machine only; 0 takes any free one. Default ${defaultPort}`),
      Flag.filter((port) => port >= 0 && port <= maxPort, () => `a number of 0 to ${maxPort}`),
      Flag.withDefault(defaultPort)
    ),
    write: Flag.Boolean("write").pipe(
      Flag.withDescription("Also change tasks: retry, edit, run now, cancel, and pause limits and schedules"),
      Flag.withDefault(false)
    ),
    traceUrl: Flag.String("trace-url").pipe(
      Flag.withDescription(`Where your traces are shown: an address in which ${placeholder} stands for the id of one`),
      Flag.optional
    )
  },
  (options) => connected(serve(options), { maxConnections: 4 })
).pipe(
  Command.withDescription("Show the machines of your tasks in the browser, until Ctrl-C"),
  Command.withExamples([
    { command: "pg-task web --module ./tasks.ts", description: "Look" },
    { command: "pg-task web --module ./tasks.ts --write", description: "Look, and repair" }
  ])
)
