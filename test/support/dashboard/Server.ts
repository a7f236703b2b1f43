/** A server with the dashboard, on a port of its own. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import * as Dashboard from "../../../src/Dashboard.ts"

/** Starts a server that ends with the scope, and returns the address of the dashboard. */
export const serve = <R>(options: Dashboard.Options<never, R>) =>
  Effect.gen(function*() {
    const app = HttpRouter.serve(Dashboard.layer(options as Dashboard.Options), {
      disableLogger: true,
      disableListenLog: true
    })
    const context = yield* Layer.build(
      Layer.provideMerge(
        app,
        NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "50 millis" })
      )
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = "port" in address ? address.port : 0
    return `http://127.0.0.1:${port}${(options.path ?? "/tasks").replace(/\/$/, "")}/`
  })

/** Access of a test: whoever it is may do this. */
export const as = (name: string, may: Dashboard.Visitor["may"]) => Effect.succeed({ name, may })
