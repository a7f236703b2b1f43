/**
 * Keeps others off a server on this machine: other users of it, and pages of other sites, which may lead a browser to
 * any address. Whoever has the address that was printed gets a cookie.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { randomBytes, timingSafeEqual } from "node:crypto"

export const makeToken = (): string => randomBytes(24).toString("base64url")

const equal = (given: string | null | undefined, token: string): boolean => {
  const [a, b] = [Buffer.from(given ?? ""), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** A name of another site that leads to this machine is no name of this server. */
const isLocal = (host: string | undefined): boolean => /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host ?? "")

/** Cookies don't tell ports apart. */
const cookieFor = (host: string | undefined): string => `pg_task_web_${host?.split(":")[1] ?? ""}`

/** An address with a token is nobody else's. */
const headers = { "cache-control": "no-store", "referrer-policy": "no-referrer" }

const refused = HttpServerResponse.text("Open the address that `pg-task web` has printed: it has a token.\n", {
  status: 403,
  headers
})

/** Lets in who has the token, in the address or in a cookie. */
export const gate = (token: string) =>
  HttpRouter.middleware(
    (route) =>
      Effect.flatMap(HttpServerRequest, ({ cookies, headers: { host }, url }) => {
        if (!isLocal(host)) return Effect.succeed(refused)
        const given = new URLSearchParams(url.split("?")[1]).get("token")
        if (equal(given, token)) {
          return Effect.succeed(
            HttpServerResponse.redirect("./", { status: 303, headers }).pipe(
              HttpServerResponse.setCookieUnsafe(cookieFor(host), token, { httpOnly: true, sameSite: "lax", path: "/" })
            )
          )
        }
        return equal(cookies[cookieFor(host)], token) ? route : Effect.succeed(refused)
      }),
    { global: true }
  )
