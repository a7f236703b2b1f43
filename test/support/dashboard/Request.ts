/** Requests that no browser makes. */
import { Effect } from "effect"
import { request as rawRequest } from "node:http"
import { play } from "./Fixture.ts"

/** Follows no redirect. */
export const request = (url: string, init: RequestInit = {}) => play(() => fetch(url, { redirect: "manual", ...init }))

export const post = (
  url: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {}
) =>
  request(url, {
    method: "POST",
    body: new URLSearchParams(fields).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers }
  })

/** The cookie and the token that a browser would have. */
export const sessionOf = (url: string) =>
  Effect.map(request(url), (answer) => {
    const cookie = answer.headers.get("set-cookie")!.split(";")[0]!
    return { cookie, token: cookie.split("=")[1]! }
  })

/** Posts to a page of the dashboard as its own form does. */
export const postAs = (url: string, page: string, fields: Readonly<Record<string, string>>) =>
  Effect.flatMap(
    sessionOf(url),
    ({ cookie, token }) => post(`${url}${page}`, { token, ...fields }, { cookie, "sec-fetch-site": "same-origin" })
  )

/** A request whose path is sent as it is: `fetch` would make another one of it. */
export const send = (url: string, path: string, options: { readonly method?: string; readonly host?: string } = {}) =>
  Effect.callback<{ readonly status: number; readonly headers: NodeJS.Dict<string | string[]>; readonly body: string }>(
    (resume) => {
      const { hostname, port } = new URL(url)
      const { host, method = "GET" } = options
      const sent = rawRequest(
        { hostname, port, path, method, headers: host === undefined ? {} : { host } },
        (answer) => {
          let body = ""
          answer.setEncoding("utf8").on("data", (part: string) => {
            body += part
          }).on("end", () => resume(Effect.succeed({ status: answer.statusCode!, headers: answer.headers, body })))
        }
      )
      sent.on("error", (error) => resume(Effect.die(error)))
      sent.end()
    }
  )
