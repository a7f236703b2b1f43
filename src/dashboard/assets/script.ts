/**
 * The module that browsers load: live numbers, a page that is made anew when its task has changed, and keys. All pages
 * work without it.
 */
export const script = String.raw`
const feed = document.body.dataset.feed
const state = document.querySelector("[data-feed-state]")
const all = (selector) => document.querySelectorAll(selector)

const say = (text) => {
  if (state === null) return
  state.hidden = false
  state.textContent = text
  state.dataset.feedState = text
}

const each = (values, name, set) => {
  if (values === undefined) return
  for (const element of all("[data-" + name + "]")) {
    const value = values[element.dataset[name]]
    if (value !== undefined) set(element, value)
  }
}

const apply = ({ mood, path, text }) => {
  each(text, "live", (element, value) => {
    if (element.textContent === value) return
    element.textContent = value
    element.toggleAttribute("data-zero", value === "0")
  })
  each(mood, "moodof", (element, value) => element.setAttribute("data-mood", value))
  each(path, "path", (element, value) => element.setAttribute("d", value))
}

// Whoever types into a form keeps the page as it is.
const busy = () => document.activeElement?.closest("main form[data-edit]") != null

const renew = async () => {
  if (busy()) return
  const answer = await fetch(location.href, { headers: { accept: "text/html" } })
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main")
  const main = document.querySelector("main")
  if (fresh === null || main === null || busy()) return
  const focused = document.activeElement?.id
  main.replaceWith(document.importNode(fresh, true))
  if (focused) document.getElementById(focused)?.focus()
}

if (feed !== undefined) {
  let { version } = document.body.dataset
  const source = new EventSource(feed)
  say("connecting")
  source.addEventListener("open", () => say("live"))
  source.addEventListener("error", () => say("reconnecting"))
  source.addEventListener("numbers", ({ data }) => apply(JSON.parse(data)))
  source.addEventListener("lost", () => say("no numbers"))
  source.addEventListener("found", () => say("live"))
  source.addEventListener("version", ({ data }) => {
    const changed = version !== undefined && version !== data
    version = data
    if (changed) renew().catch(() => undefined)
  })
  addEventListener("pagehide", () => source.close())
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload())
}

const rows = () => [...all("tbody tr[data-row] a.row")]

const move = (by) => {
  const links = rows()
  if (links.length === 0) return
  const at = links.indexOf(document.activeElement)
  links[at === -1 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1)].focus()
}

const press = (...selectors) => selectors.map((each) => document.querySelector(each)).find((one) => one !== null)?.click()

const keys = {
  "/": () => document.getElementById("find")?.focus(),
  "?": () => location.assign("keys"),
  j: () => move(1),
  k: () => move(-1),
  h: () => location.assign("./"),
  e: () => press("[data-key=edit]", "[data-nav=errors]"),
  t: () => press("[data-nav=rows]"),
  n: () => press("a[rel=next]"),
  x: () => document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]")?.click()
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (event.target.closest?.("input:not([type=checkbox]), textarea, select") != null) {
    if (event.key === "Escape") event.target.blur()
    return
  }
  const run = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined
  if (run === undefined) return
  event.preventDefault()
  run()
})

// All check boxes of a table at once.
addEventListener("change", ({ target }) => {
  if (!target.matches?.("[data-all]")) return
  for (const box of target.closest("table").querySelectorAll("tbody input[type=checkbox]")) box.checked = target.checked
})
for (const box of all("[data-all]")) box.hidden = false
`
