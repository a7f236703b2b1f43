/**
 * What protects the pages: headers for all answers, and two checks of everything that is posted. It must come from a
 * page of the same origin (by the headers that browsers set), and hold the token of this browser's cookie. Neither needs
 * memory on the server, so any process behind a load balancer may answer.
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/encoding/Base64Url"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Refusal } from "./site.ts"

/** Nothing from other hosts, nothing inline, no frames. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join("; ")

export const withHeaders = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(response, {
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": response.headers["cache-control"] ?? "no-store"
  })

const cookie = "pg_task_token"

const makeToken = (): string => Encoding.encode(crypto.getRandomValues(new Uint8Array(24)))

/** The token of this browser, or a new one. */
export const tokenOf = ({ cookies }: HttpServerRequest): { readonly token: string; readonly isNew: boolean } => {
  const known = cookies[cookie]
  return known !== undefined && /^[\w-]{32}$/.test(known)
    ? { token: known, isNew: false }
    : { token: makeToken(), isNew: true }
}

/** Without a path, the cookie is for the folder of the page: for the dashboard, wherever it is mounted. */
export const rememberToken = (token: string, isSecure: boolean) => (response: HttpServerResponse.HttpServerResponse) =>
  HttpServerResponse.setCookieUnsafe(response, cookie, token, {
    httpOnly: true,
    sameSite: "strict",
    secure: isSecure
  })

/** As long for a token that differs early as for one that differs late. */
const equal = (a: string, b: string): boolean => {
  let difference = a.length ^ b.length
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at)
  return difference === 0
}

/** Whether a browser says that the request comes from a page of ours. A proxy may have changed the host. */
const isSameOrigin = ({ headers }: HttpServerRequest): boolean => {
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site === "same-origin"
  const { host, origin, "x-forwarded-host": forwarded } = headers
  if (origin === undefined || !URL.canParse(origin)) return false
  const from = new URL(origin).host
  return from === host || from === forwarded
}

const forged = (message: string) =>
  new Refusal({ status: 403, title: "Refused", message: `${message} Nothing was changed.` })

/** Refuses what does not come from a page of ours. */
export const checkOrigin = (request: HttpServerRequest): Effect.Effect<void, Refusal> =>
  isSameOrigin(request) ? Effect.void : forged("This request comes from another site.")

/** Refuses what does not come from a form of this browser. */
export const checkToken = (
  given: string | null,
  { isNew, token }: ReturnType<typeof tokenOf>
): Effect.Effect<void, Refusal> =>
  isNew || !equal(given ?? "", token)
    ? forged("This form is not of this browser, or too old: load the page again.")
    : Effect.void
