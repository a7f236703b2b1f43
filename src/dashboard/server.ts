/** From a request to an answer: who is it, may they, which page. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ByteSize from "effect/ByteSize"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import type { HttpRouter } from "effect/http/HttpRouter"
import { RouteContext } from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Admin from "../Admin.ts"
import type * as Task from "../Task.ts"
import { icon } from "./assets/icon.ts"
import { script } from "./assets/script.ts"
import { style } from "./assets/style.ts"
import { feed } from "./events.ts"
import { checkPost, rememberToken, tokenOf, withHeaders } from "./guard.ts"
import { html } from "./html.ts"
import { pages } from "./pages/index.ts"
import { makeSampler } from "./sampler.ts"
import { respond, seeOther } from "./shell.ts"
import { type PageError, Refusal, type Site, type Visit, type Visitor } from "./site.ts"

interface Options<E, R> {
  readonly path: `/${string}`
  readonly tasks: ReadonlyArray<Task.Any>
  readonly access: Effect.Effect<Visitor, E, R>
}

/** More than a state may have, as it is posted. */
const maxBody = ByteSize.mebibytes(64)

/** No page waits for a database for longer. */
const readTimeout = "10 seconds"

const files: ReadonlyMap<string, HttpServerResponse.HttpServerResponse> = new Map(
  [["style.css", style, "text/css"], ["live.js", script, "text/javascript"], ["icon.svg", icon, "image/svg+xml"]]
    .map(([name, text, type]) => [
      name!,
      HttpServerResponse.text(text!, {
        contentType: `${type}; charset=utf-8`,
        headers: { "cache-control": "public, max-age=31536000, immutable" }
      })
    ])
)

const refusalOf = (error: PageError): Refusal => {
  switch (error._tag) {
    case "Refusal":
      return error
    case "TaskNotFoundError":
      return new Refusal({ status: 404, title: "Not there", message: error.message })
    case "TaskIdError":
    case "TaskFilterError":
      return new Refusal({ status: 400, title: "Not understood", message: error.message })
    case "TaskEditError":
    case "TaskInvalidStateError":
    case "TaskInvalidSignalError":
    case "TaskInboxFullError":
    case "TaskOptionsError":
      return new Refusal({ status: 409, title: "Not changed", message: error.message })
    case "TaskTableError":
      return new Refusal({ status: 503, title: "No table", message: error.message })
    case "SqlError":
      return new Refusal({ status: 503, title: "No answer from the database", message: Admin.messageOf(error) })
  }
}

const showRefusal = (visit: Visit) => (error: PageError) => {
  const { message, status, title } = refusalOf(error)
  return Effect.succeed(
    respond(visit, { title, status, body: html`<h1>${title}</h1><p class="fault" role="alert">${message}</p>` })
  )
}

const late = () =>
  new Refusal({
    status: 503,
    title: "No answer from the database",
    message: `The database didn't answer within ${readTimeout}. With many rows, narrow the filter.`
  })

const noAccess = new Refusal({ status: 403, title: "No access", message: "You may not look at these tasks." })
const noPage = new Refusal({ status: 404, title: "Not there", message: "There is no such page." })

/** One page, or what was done by a form. */
const open = (visit: Visit, page: string, method: string) => {
  const handlers = pages.get(page)
  const handler = method === "POST" ? handlers?.post : handlers?.get
  if (handler === undefined) return showRefusal(visit)(noPage)
  const answer = handler(visit)
  return (method === "POST" ? answer : Effect.timeoutOrElse(answer, { duration: readTimeout, orElse: late })).pipe(
    Effect.catch(showRefusal(visit))
  )
}

const formOf = (request: HttpServerRequest) =>
  Effect.map(request.text, (text) => new URLSearchParams(text)).pipe(
    Effect.provideService(MaxBodySize, maxBody),
    Effect.catch(() => Effect.succeed(new URLSearchParams()))
  )

const isSecure = ({ headers, protocol }: HttpServerRequest): boolean =>
  protocol === "https" || headers["x-forwarded-proto"] === "https"

/** Answers a request of somebody who is known. */
const answer = Effect.fnUntraced(function*(site: Site, visitor: Visitor, page: string, request: HttpServerRequest) {
  const query = new URL(request.originalUrl, "http://localhost").searchParams
  const token = tokenOf(request)
  const form = request.method === "POST" ? yield* formOf(request) : new URLSearchParams()
  const visit: Visit = { site, visitor, query, form, token: token.token }
  const remember = token.isNew ? rememberToken(token.token, isSecure(request)) : (same: Answer) => same
  if (visitor.may === "none") return yield* showRefusal(visit)(noAccess)
  if (request.method === "POST") {
    const refused = yield* Effect.flip(checkPost(request, form.get("token"), token)).pipe(Effect.option)
    if (refused._tag === "Some") return yield* showRefusal(visit)(refused.value)
  }
  return remember(yield* open(visit, page, request.method))
})

type Answer = HttpServerResponse.HttpServerResponse

/** The part of the path that is ours, or where to go for it: relative addresses need the slash at the end. */
const pageOf = (request: HttpServerRequest, rest = ""): { readonly page: string } | { readonly moved: string } => {
  const [pathname = ""] = request.originalUrl.split("?", 1)
  return rest !== "" || pathname.endsWith("/") ? { page: rest } : { moved: `${pathname.split("/").at(-1)}/` }
}

const idOf = (request: HttpServerRequest): string | null =>
  new URL(request.originalUrl, "http://localhost").searchParams.get("id")

/** Adds the pages to the host's router. */
export const serve = Effect.fnUntraced(function*<E, R>(router: HttpRouter, { access, path, tasks }: Options<E, R>) {
  const context = yield* Effect.context<SqlClient>()
  const stopping = yield* Deferred.make<void>()
  const site: Site = { tasks, sampler: yield* makeSampler }
  yield* Effect.addFinalizer(() => Deferred.succeed(stopping, undefined))
  const show = Effect.fnUntraced(function*(request: HttpServerRequest, page: string) {
    const file = files.get(page)
    if (file !== undefined) return file
    const visitor = yield* access
    const shown = page === "events" && visitor.may !== "none"
      ? feed(site, idOf(request), Deferred.await(stopping))
      : answer(site, visitor, page, request)
    return yield* Effect.provide(shown, context)
  })
  const handler = Effect.gen(function*() {
    const request = yield* HttpServerRequest
    const { params } = yield* RouteContext
    const found = pageOf(request, params["*"])
    return withHeaders("moved" in found ? seeOther(found.moved) : yield* show(request, found.page))
  })
  yield* router.add("*", `${path.replace(/\/$/, "")}/*` as `/${string}`, handler)
})
