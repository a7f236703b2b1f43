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
import { icon } from "./assets/icon.ts"
import { script } from "./assets/script.ts"
import { style } from "./assets/style.ts"
import { feed } from "./events.ts"
import { checkOrigin, checkToken, rememberToken, tokenOf, withHeaders } from "./guard.ts"
import { html } from "./html.ts"
import { pages } from "./pages/index.ts"
import { makeSampler } from "./sampler.ts"
import { respond, seeOther } from "./shell.ts"
import { mayChange, type PageError, Refusal, type Site, type Visit, type Visitor } from "./site.ts"

interface Options<E, R> extends Pick<Site, "tasks" | "recurring" | "traceUrl"> {
  readonly path: `/${string}`
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

/** Text that no text in the database can be equal to: it has a character that Postgres does not take. */
const notStorable = /invalid byte sequence/

const ofDatabase = (message: string) =>
  notStorable.test(message)
    ? new Refusal({ status: 400, title: "Not understood", message })
    : new Refusal({ status: 503, title: "No answer from the database", message })

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
      return ofDatabase(Admin.messageOf(error))
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

const tooLarge = new Refusal({
  status: 413,
  title: "Not understood",
  message: "What was sent can't be read: perhaps it is too large. Nothing was changed."
})

/** One page. */
const open = (visit: Visit, page: string): Effect.Effect<Answer, PageError, SqlClient> =>
  Effect.timeoutOrElse(pages.get(page)?.get?.(visit) ?? noPage, { duration: readTimeout, orElse: late })

const formOf = (request: HttpServerRequest): Effect.Effect<URLSearchParams, Refusal> =>
  Effect.map(request.text, (text) => new URLSearchParams(text)).pipe(
    Effect.provideService(MaxBodySize, maxBody),
    Effect.mapError(() => tooLarge)
  )

/** What was done by a form. Who may not send one does not make us read it. */
const receive = Effect.fnUntraced(function*(visit: Visit, page: string, request: HttpServerRequest) {
  yield* checkOrigin(request)
  const handler = pages.get(page)?.post
  if (handler === undefined) return yield* noPage
  if (!mayChange(visit.visitor)) {
    const message = `${visit.visitor.name} may not do this: they may only look. Nothing was changed.`
    return yield* new Refusal({ status: 403, title: "Refused", message })
  }
  const form = yield* formOf(request)
  yield* checkToken(form.get("token"), tokenOf(request))
  return yield* handler({ ...visit, form })
})

/** Also what was refused is somebody's doing. */
const logRefused = ({ visitor }: Visit, page: string) => (error: PageError) =>
  refusalOf(error).status === 403
    ? Effect.logWarning(`${visitor.name}: refused, ${pages.has(page) ? page : "no page"}`).pipe(
      Effect.annotateLogs({ visitor: visitor.name })
    )
    : Effect.void

const isSecure = ({ headers, protocol }: HttpServerRequest): boolean =>
  protocol === "https" || headers["x-forwarded-proto"] === "https"

/** Answers a request of somebody who is known. */
const answer = (site: Site, visitor: Visitor, page: string, request: HttpServerRequest) => {
  const { isNew, token } = tokenOf(request)
  const visit: Visit = { site, visitor, query: queryOf(request), form: new URLSearchParams(), token }
  const shown: Effect.Effect<Answer, PageError, SqlClient> = visitor.may === "none"
    ? noAccess
    : request.method === "POST"
    ? Effect.tapError(receive(visit, page, request), logRefused(visit, page))
    : open(visit, page)
  return shown.pipe(
    Effect.map((same) => isNew ? rememberToken(token, isSecure(request))(same) : same),
    Effect.catch(showRefusal(visit))
  )
}

type Answer = HttpServerResponse.HttpServerResponse

/** Path and query as the browser sent them, whatever the host's router has cut off, without the host's name. */
const targetOf = ({ originalUrl }: HttpServerRequest): string => originalUrl.replace(/^[a-z]+:\/\/[^/]*/i, "")

const queryOf = (request: HttpServerRequest): URLSearchParams => {
  const [, ...rest] = targetOf(request).split("?")
  return new URLSearchParams(rest.join("?"))
}

/** The part of the path that is ours, or where to go for it: relative addresses need the slash at the end. */
const pageOf = (request: HttpServerRequest, rest = ""): { readonly page: string } | { readonly moved: string } => {
  const [pathname = ""] = targetOf(request).split("?", 1)
  // With the dot, no name that a host's path may have is taken for a scheme or for another host.
  return rest !== "" || pathname.endsWith("/") ? { page: rest } : { moved: `./${pathname.split("/").at(-1)}/` }
}

const methods = ["GET", "HEAD", "POST"]

const noMethod = HttpServerResponse.text("This is answered to GET, HEAD and POST.\n", {
  status: 405,
  headers: { allow: methods.join(", ") }
})

/** Adds the pages to the host's router. */
export const serve = Effect.fnUntraced(function*<E, R>(
  router: HttpRouter,
  { access, path, ...options }: Options<E, R>
) {
  const context = yield* Effect.context<SqlClient>()
  const stopping = yield* Deferred.make<void>()
  const site: Site = { ...options, sampler: yield* makeSampler }
  yield* Effect.addFinalizer(() => Deferred.succeed(stopping, undefined))
  const show = Effect.fnUntraced(function*(request: HttpServerRequest, page: string) {
    const file = files.get(page)
    if (file !== undefined) return file
    const visitor = yield* access
    const shown = page === "events" && request.method === "GET" && visitor.may !== "none"
      ? feed(site, queryOf(request).get("id"), Deferred.await(stopping))
      : answer(site, visitor, page, request)
    return yield* Effect.provide(shown, context)
  })
  const handler = Effect.gen(function*() {
    const request = yield* HttpServerRequest
    if (!methods.includes(request.method)) return withHeaders(noMethod)
    const { params } = yield* RouteContext
    const found = pageOf(request, params["*"])
    return withHeaders("moved" in found ? seeOther(found.moved) : yield* show(request, found.page))
  })
  yield* router.add("*", `${path.replace(/\/$/, "")}/*` as `/${string}`, handler)
})
