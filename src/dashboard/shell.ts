/** What all pages have in common. */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { address, type Child, exact, type Html, html } from "./html.ts"
import { version } from "./assets/version.ts"
import type { Action, Visit, Visitor } from "./site.ts"

/** One page. */
export interface Page {
  readonly title: string
  readonly body: Child
  /** The link of the navigation that leads here. */
  readonly current?: "home" | "errors" | "rows" | "limits" | "schedules" | "workers" | undefined
  /** Where its live numbers come from. Default: none. */
  readonly feed?: string | undefined
  /** Of what the page shows. When the feed says that there is another one, the browser asks for the page again. */
  readonly version?: string | undefined
  readonly status?: number | undefined
}

const nav = [
  ["home", "./", "Machines"],
  ["errors", "errors", "Errors"],
  ["rows", "rows", "Tasks"],
  ["limits", "limits", "Limits"],
  ["schedules", "schedules", "Schedules"],
  ["workers", "workers", "Workers"]
] as const

const accessOf = ({ may }: Visitor): string =>
  typeof may === "string" ? { none: "no access", read: "read only", write: "may write" }[may] : "may write some"

const header = (visit: Visit, current: Page["current"]): Html =>
  html`<header class="top">
<a class="skip" href="#main">Skip to the content</a>
<nav aria-label="Pages"><ul>${
    nav.map(([name, href, text]) =>
      html`<li><a href="${href}" data-nav="${name}"${
        current === name ? html` aria-current="page"` : ""
      }>${text}</a></li>`
    )
  }</ul></nav>
<form class="find" action="find" method="get" role="search"><label class="quiet" for="find">Find</label>
<input id="find" name="q" type="search" placeholder="id, key or text" autocomplete="off" spellcheck="false"></form>
<p class="who"><span data-feed-state hidden></span> <b>${visit.visitor.name}</b> <span class="pill">${
    accessOf(visit.visitor)
  }</span></p>
</header>`

const footer = html`<footer><p>pg_task. <a href="keys">Keys</a></p></footer>`

/** A whole document. */
const documentOf = (visit: Visit, { body, current, feed, title, version: shown }: Page): Html =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · pg_task</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${address("style.css", { v: version })}">
<script type="module" src="${address("live.js", { v: version })}"></script>
</head><body${feed === undefined ? "" : html` data-feed="${feed}"`}${
    shown === undefined ? "" : html` data-version="${shown}"`
  }>${header(visit, current)}
<main id="main" tabindex="-1">${body}</main>${footer}</body></html>`

/** Answers with a page. */
export const respond = (visit: Visit, page: Page): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(documentOf(visit, page).text, {
    status: page.status ?? 200,
    contentType: "text/html; charset=utf-8"
  })

/** Sends the browser to another page, which it asks for with GET. */
export const seeOther = (location: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.redirect(location, { status: 303 })

/** What a form sends and does not show, as it is. */
export const hidden = (name: string, value: string): Html =>
  html`<input type="hidden" name="${name}" value="${exact(value)}">`

/** A button that does something at once. */
export const actionForm = (
  { token }: Visit,
  action: Action,
  { id, text }: { readonly id: string; readonly text: string }
): Html =>
  html`<form method="post" action="act">${hidden("token", token)}${hidden("action", action)}${
    hidden("id", id)
  }<button data-key="${action}">${text}</button></form>`

/** A status, in its colour. */
export const badge = (status: string): Html => html`<span class="badge" data-mood="${status}">${status}</span>`
