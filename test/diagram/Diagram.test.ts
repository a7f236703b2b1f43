import { assert, describe, it } from "@effect/vitest"
import DOMPurify from "dompurify"
import { Duration, Effect, Schedule, Schema } from "effect"
import mermaid from "mermaid"
import { spawnSync } from "node:child_process"
import { Diagram, Limit, NextStep, Step, Task } from "../../src/index.ts"

// Mermaid hands every text to its HTML sanitizer, which needs a browser. Parsing doesn't.
Object.assign(DOMPurify, { addHook: () => {}, sanitize: (text: string) => text })

const state = <const Tag extends string>(tag: Tag) => Schema.TaggedStruct(tag, {})
const stop = () => Effect.succeed(NextStep.none)

/** A task of bare steps: each tag with those it may move to. */
const machine = (name: string, next: ReadonlyArray<readonly [tag: string, next: ReadonlyArray<string>]>): Task.Any =>
  Task.make(name, next.map(([tag, to]) => Step.make(state(tag), { next: to.map(state), handler: stop })) as never)

const Ordered = state("Ordered")
const Charged = state("Charged")
const Shipped = state("Shipped")

const Order = Task.make("Order", [
  Step.make(Ordered, { next: [Charged, Ordered], retryLimit: 5, handler: stop }),
  Step.make(Charged, { next: [Shipped], retry: Schedule.exponential("1 second"), transactional: true, handler: stop }),
  Step.make(Shipped, { retryLimit: 1, retryDelay: "90 seconds", handler: stop })
])

/** Waiting states: for signals and a time, for children, and one that only ends. */
const Approved = state("Approved")
const Rejected = state("Rejected")
const Mail = Task.declare("Mail, <b>", { states: [state("Send")], final: [state("Sent")] })
const Gather = Schema.TaggedStruct("Gather", {
  first: Schema.optional(Task.child(Mail)),
  byName: Schema.Record(Schema.String, Task.child(Mail))
})

const Approval = Task.make("Approval", [
  Step.wait(Ordered, (on) => [
    on(Approved, { next: [Gather], retryLimit: 1, handler: stop }),
    on(Rejected, { retryLimit: 5, handler: stop }),
    on.timeout("3 days", { next: [Ordered, Gather], handler: stop })
  ]),
  Step.wait(Gather, (on) => [
    on.children({ next: [Charged], transactional: true, handler: stop }),
    on.timeout(() => "1 day", { next: [Charged], transactional: true, handler: stop })
  ]),
  Step.wait(Charged, (on) => [on(Approved, { retryLimit: 0, handler: stop })])
])

const count = (step: string | null, status: Diagram.Count["status"], count: number, oldest?: Duration.Input) => ({
  task: "Order",
  step,
  status,
  count,
  oldest: oldest === undefined ? undefined : Duration.fromInputUnsafe(oldest)
})

const counts: ReadonlyArray<Diagram.Count> = [
  count("Ordered", "scheduled", 1),
  count("Ordered", "ready", 3, "93784 seconds"),
  count("Ordered", "running", 2, "800 millis"),
  count("Ordered", "parked", 0, 0),
  count("Charged", "parked", 4, "5 minutes"),
  count("Charged", "ready", 1, "3778 millis"),
  count("Paid.v1", "ready", 2000, "30 days"),
  count(null, "ready", 7),
  { ...count("Ordered", "parked", 9), task: "Other" },
  { ...count("Ordered", "parked", 9), task: null }
]

interface MermaidState {
  readonly id: string
  readonly descriptions: ReadonlyArray<string>
  readonly note?: { readonly text: string } | undefined
  readonly classes: ReadonlyArray<string>
}

interface MermaidMachine {
  readonly getStates: () => ReadonlyMap<string, MermaidState>
  readonly getRelations: () => ReadonlyArray<
    { readonly id1: string; readonly id2: string; readonly relationTitle?: string }
  >
  readonly getDirection: () => string
}

/** What Mermaid shows for its entities, which it keeps in a form of its own until it draws. */
const shown = (text: string) => text.replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(Number(code)))

/** The machine as Mermaid's own parser understands it. */
const parse = (text: string) =>
  Effect.promise(async () => {
    await mermaid.parse(text)
    const body = text.slice(text.indexOf("stateDiagram-v2"))
    const { db } = await mermaid.mermaidAPI.getDiagramFromText(body)
    const { getDirection, getRelations, getStates } = db as unknown as MermaidMachine
    const states = [...getStates.call(db).values()].map((state) => ({
      ...state,
      label: shown(state.descriptions[0] ?? state.id)
    }))
    const labels = new Map(states.map(({ id, label }) => [id, label]))
    return {
      direction: getDirection.call(db),
      states: new Map(states.map((state) => [state.id, state])),
      labels: getRelations.call(db).map(({ relationTitle }) => shown(relationTitle ?? "")),
      moves: getRelations.call(db).map(({ id1, id2 }) => `${labels.get(id1)} -> ${labels.get(id2)}`)
    }
  })

const string = /"(?:[^"\\]|\\.)*"/.source
const tags = "b|/b|br/|font point-size=\"11\"|/font"
const html = `<(?:<(?:${tags})>|&(?:amp|lt|gt);|\\\\\\\\|[^<>&\\\\])+>`
const setting = `\\w+=(?:${string}|${html}|[\\w.]+)`
const declaration = `(?:graph|node|${string}) \\[${setting}(?:, ${setting})*\\]`
const edge = `${string} -> ${string}(?: \\[${setting}(?:, ${setting})*\\])?`
const statement = new RegExp(`^  (?:${edge}|${declaration})$`)

/** A graph in DOT, read line by line: fails on what is no statement. */
const parseDot = (text: string) => {
  const lines = text.split("\n")
  assert.deepStrictEqual([lines[0], ...lines.slice(-2)], ["digraph {", "}", ""])
  const statements = lines.slice(1, -2)
  for (const line of statements) assert.match(line, statement)
  return statements.map((line) => line.trim())
}

/** Only where it is installed. */
const graphviz = "dot"
const hasGraphviz = spawnSync(graphviz, ["-V"]).status === 0

const keywords =
  "state note end class classDef style click href default direction as hide scale root fork join choice title"

const awkward = [
  ...keywords.split(" ").flatMap((word) => [word, word.toUpperCase()]),
  ...`s0 S1 root_start __proto__ constructor [*] -- --> --- : ; a:b a;b { } " ' \\ # #35; #quot; %% & &amp;`.split(" "),
  ..."<b> </script> <<fork>> [[join]] $$x$$ order.created order/paid v1.2-beta_3 www.a.com".split(" "),
  ..."*bold* _it_ 1 - . ` größe 订单 🎉 \n a\nb \t \0 \ud800 \u2028".split(" "),
  ..."::: x|%% comment|direction LR|DIRECTION  TB x|end note|a b|1. one|- one| |accTitle: x|accDescr {".split("|"),
  ..."style x:y#z;|classDef x:y#z;|%%{init: {}}%%".split("|")
]

/** What a browser shows for the entities of an SVG. */
const unescaped = (text: string) =>
  text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code))).replaceAll("\u00a0", " ")
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", "\"").replaceAll("&amp;", "&")

/** Control characters can't be drawn. */
const escaped = (tag: string) =>
  tag.replace(
    /[\n\t\0\ud800\u2028](?![\udc00-\udfff])/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** Names of tasks that hold all of it; a name can't be longer than 200 characters. */
const names = [0, 1, 2, 3, 4].map((n) =>
  awkward.filter((text, index) => index % 5 === n && !/[\0\ud800]/.test(text)).join(" ")
)

describe("Diagram.toMermaid", () => {
  it("draws steps, transitions, both ends, and notes on what is retried", () =>
    assert.strictEqual(
      Diagram.toMermaid(Order),
      `---
title: "Order"
---
stateDiagram-v2
  direction TB
  [*] --> Ordered
  Ordered --> Charged
  Ordered --> Ordered
  Charged --> Shipped
  Shipped --> [*]
  Ordered --> [*] : may end
  Charged --> [*] : may end
  note right of Ordered
    5 retries, 1s apart
  end note
  note right of Charged
    retries by a schedule
    transactional
  end note
  note right of Shipped
    1 retry after 1m 30s
  end note
`
    ))

  it.effect("draws what waiting states wait for, and for whose children", () =>
    Effect.gen(function*() {
      const text = Diagram.toMermaid(Approval)
      assert.strictEqual(
        text,
        `---
title: "Approval"
---
stateDiagram-v2
  direction TB
  [*] --> Ordered
  Ordered --> Gather : Approved, after 3d
  Ordered --> Ordered : after 3d
  Gather --> Charged : children ended, timeout
  Ordered --> [*] : Rejected
  Charged --> [*] : Approved
  Ordered --> [*] : may end
  Gather --> [*] : may end
  note right of Ordered
    waits
    Approved: 1 retry after 1s
    Rejected: 5 retries, 1s apart
  end note
  note right of Gather
    waits
    transactional
    children: Mail, #60;b#62;
  end note
  note right of Charged
    waits
  end note
  classDef waits stroke-dasharray:2,stroke-width:2px
  class Ordered waits
  class Gather waits
  class Charged waits
`
      )
      const { labels, states } = yield* parse(text)
      assert.include(labels, "Approved, after 3d")
      assert.include(states.get("Gather")?.note?.text, "children: Mail, ")
      assert.deepStrictEqual(states.get("Ordered")?.classes, ["waits"])
    }))

  it("notes limits, and has them as data", () => {
    const shared = Limit.make("stripe", { running: 5, rate: { limit: 100, per: "1 minute" } })
    const keyed = Limit.make("<tenant>", { running: 2 })
    const task = Task.make("Limited", [
      Step.make(Ordered, { limit: shared, next: [Charged], handler: stop }),
      Step.make(Charged, { limit: keyed.by(() => "acme"), next: [Shipped], retryLimit: 0, handler: stop }),
      Step.make(Shipped, { limit: keyed.by(() => "acme", { running: () => 3 }), handler: stop })
    ])
    const text = Diagram.toMermaid(task)
    assert.include(text, "limit stripe: 5 at a time, 100 per 1m\n")
    assert.include(text, "limit #60;tenant#62;: 2 at a time of each key")
    assert.include(text, "limit #60;tenant#62;: some at a time of each key")
    parseDot(Diagram.toGraphViz(task))
    assert.deepStrictEqual(Diagram.toGraph(task).nodes.map(({ limit }) => limit), [
      { name: "stripe", running: 5, rate: { limit: 100, per: Duration.minutes(1) }, keyed: false },
      { name: "<tenant>", running: 2, rate: undefined, keyed: true },
      { name: "<tenant>", running: undefined, rate: undefined, keyed: true }
    ])
    assert.isUndefined(Diagram.toGraph(Order).nodes[0]!.limit)
  })

  it.effect("shows any signal, and any task of children, as it is", () =>
    Effect.gen(function*() {
      const tags = awkward.filter((tag) => !/[$\0\ud800]/.test(tag))
      const parent = Task.make("Awkward", [
        Step.wait(
          Schema.TaggedStruct("Wait", {
            children: Schema.Array(Schema.Union([...tags, "end note"].map((name) =>
              Task.child(Task.declare(name.trim() === "" ? "blank" : name, { states: [Ordered], final: [Charged] }))
            )))
          }),
          (on) =>
            tags.map((tag) => on(state(tag), { next: [state(tag)], handler: stop }))
        ),
        ...tags.map((tag) => Step.make(state(tag), { handler: stop }))
      ] as never)
      const { labels, states } = yield* parse(Diagram.toMermaid(parent))
      assert.includeMembers(labels, tags.map(escaped))
      assert.isDefined(states.get("Wait")?.note)
      parseDot(Diagram.toGraphViz(parent))
    }))

  it.effect("is read by Mermaid as it is meant", () =>
    Effect.gen(function*() {
      const { direction, moves, states } = yield* parse(Diagram.toMermaid(Order, { direction: "LR" }))
      assert.strictEqual(direction, "LR")
      assert.deepStrictEqual(moves, [
        "root_start -> Ordered",
        "Ordered -> Charged",
        "Ordered -> Ordered",
        "Charged -> Shipped",
        "Shipped -> root_end",
        "Ordered -> root_end",
        "Charged -> root_end"
      ])
      assert.strictEqual(states.get("Ordered")?.note?.text, "5 retries, 1s apart")
    }))

  it.effect("lays counts over the steps, and shows states that no step has", () =>
    Effect.gen(function*() {
      const { states } = yield* parse(Diagram.toMermaid(Order, { counts }))
      const look = (id: string) => ({ texts: states.get(id)?.descriptions, classes: states.get(id)?.classes })
      assert.deepStrictEqual(look("Ordered"), {
        texts: ["Ordered", "3 ready, oldest 1d 2h", "2 running, oldest 800ms", "1 scheduled"],
        classes: ["ready"]
      })
      assert.deepStrictEqual(look("Charged"), {
        texts: ["Charged", "4 parked, oldest 5m", "1 ready, oldest 3s"],
        classes: ["parked"]
      })
      assert.deepStrictEqual(look("Shipped"), { texts: [], classes: ["empty"] })
      assert.deepStrictEqual(look("s3"), {
        texts: ["Paid.v1", "2,000 ready, oldest 30d"],
        classes: ["ready", "unknown"]
      })
      assert.strictEqual(states.size, 6)
    }))

  it.effect("begins where nothing leads to, also in circles", () =>
    Effect.gen(function*() {
      const { moves } = yield* parse(Diagram.toMermaid(machine("Circles", [
        ["B", ["C"]],
        ["A", ["B"]],
        ["C", []],
        ["Loop", ["Loop"]],
        ["Tick", ["Tock"]],
        ["Tock", ["Tick"]]
      ])))
      const starts = moves.filter((move) => move.startsWith("root_start"))
      assert.deepStrictEqual(starts, ["root_start -> A", "root_start -> Loop", "root_start -> Tick"])
    }))

  it.effect("begins at the entry where one is declared, and nowhere else", () =>
    Effect.gen(function*() {
      const Declared = Task.declare("Declared", {
        states: [Ordered, Charged, Shipped],
        entry: [Charged, Ordered, Charged]
      })
      const steps = [
        Step.make(Ordered, { next: [Charged], handler: stop }),
        Step.make(Charged, { next: [Shipped], handler: stop }),
        Step.make(Shipped, { handler: stop })
      ] as const
      const starts = ["Charged", "Ordered"]
      for (const task of [Task.make(Declared, steps), Task.make("Declared", steps, { entry: [Charged, Ordered] })]) {
        const { moves } = yield* parse(Diagram.toMermaid(task))
        assert.deepStrictEqual(
          moves.filter((move) => move.startsWith("root_start")),
          starts.map((tag) => `root_start -> ${tag}`)
        )
        assert.deepStrictEqual(
          parseDot(Diagram.toGraphViz(task)).filter((line) => line.startsWith(`"[start]" ->`)),
          starts.map((tag) => `"[start]" -> "${tag}"`)
        )
      }
    }))

  it.effect("shows any tag as it is", () =>
    Effect.gen(function*() {
      const { direction, states } = yield* parse(
        Diagram.toMermaid(machine("Awkward", awkward.map((tag) => [tag, [tag]])))
      )
      const labels = [...states.values()].filter(({ id }) => !/^root_(start|end)$/.test(id)).map(({ label }) => label)
      assert.strictEqual(direction, "TB")
      assert.deepStrictEqual(labels.toSorted(), awkward.map(escaped).toSorted())
    }))

  it.effect("takes any name for a title", () =>
    Effect.forEach(names, (name) => parse(Diagram.toMermaid(machine(name, [["A", []]]))), { discard: true }))
})

describe("Diagram.toGraphViz", () => {
  it("draws the same machine", () =>
    assert.deepStrictEqual(parseDot(Diagram.toGraphViz(Order, { counts, direction: "LR" })), [
      `graph [label=<<b>Order</b><br/><font point-size="11"> </font>>, labelloc=t, rankdir=LR, fontname="Helvetica"]`,
      `node [shape=box, style="rounded,filled", fillcolor="white", fontname="Helvetica"]`,
      `"[start]" [shape=circle, style=filled, fillcolor=black, label="", width=0.15]`,
      `"[end]" [shape=doublecircle, fillcolor=black, label="", width=0.1]`,
      `"Ordered" [label=<<b>Ordered</b><br/><font point-size="11">5 retries, 1s apart<br/>3 ready, oldest 1d 2h<br/>`
      + `2 running, oldest 800ms<br/>1 scheduled</font>>, fillcolor="#fff8c5", color="#9a6700"]`,
      `"Charged" [label=<<b>Charged</b><br/><font point-size="11">retries by a schedule<br/>transactional<br/>`
      + `4 parked, oldest 5m<br/>1 ready, oldest 3s</font>>, fillcolor="#ffd7d5", color="#cf222e"]`,
      `"Shipped" [label=<<b>Shipped</b><br/><font point-size="11">1 retry after 1m 30s</font>>, fillcolor="#f6f8fa", `
      + `color="#57606a"]`,
      `"s3" [label=<<b>Paid.v1</b><br/><font point-size="11">no step of this task<br/>2,000 ready, oldest 30d</font>>, `
      + `fillcolor="#fff8c5", color="#9a6700", style="rounded,filled,dashed"]`,
      `"[start]" -> "Ordered"`,
      `"Ordered" -> "Charged"`,
      `"Ordered" -> "Ordered"`,
      `"Charged" -> "Shipped"`,
      `"Shipped" -> "[end]"`,
      `"Ordered" -> "[end]" [style=dashed, color="#8c959f", arrowsize=0.7]`,
      `"Charged" -> "[end]" [style=dashed, color="#8c959f", arrowsize=0.7]`
    ]))

  it("draws waiting states dotted, and what they wait for at their arrows", () => {
    const lines = parseDot(Diagram.toGraphViz(Approval))
    assert.includeMembers(lines, [
      `"Charged" [label=<<b>Charged</b><br/><font point-size="11">waits</font>>, style="rounded,filled,dotted"]`,
      `"Ordered" -> "Gather" [label=<Approved, after 3d>, fontsize=11]`,
      `"Gather" -> "Charged" [label=<children ended, timeout>, fontsize=11]`,
      `"Ordered" -> "[end]" [label=<Rejected>, fontsize=11]`
    ])
    assert.match(lines.join("\n"), /"Gather" \[label=<<b>Gather<\/b>.*children: Mail, &lt;b&gt;/)
  })

  it("draws an arrow to the task of the children, if it is in the picture", () => {
    const MailTask = Task.make("Mail, <b>", [
      Step.make(state("Send"), { next: [state("Sent")], handler: stop }),
      Step.final(state("Sent"))
    ] as never)
    const arrow = `"0.Gather" -> "1.[start]" [style=dotted, arrowsize=0.7]`
    assert.include(Diagram.toGraphViz([Approval, MailTask]), arrow)
    assert.notInclude(Diagram.toGraphViz([Approval, Order]), "style=dotted")
  })

  it("escapes any tag and any name", () => {
    const lines = parseDot(Diagram.toGraphViz(machine("Awkward", awkward.map((tag) => [tag, [tag]]))))
    const labels = lines.flatMap((line) => /^"\w+" \[label=<<b>(.*)<\/b>>\]/.exec(line)?.[1] ?? [])
    assert.strictEqual(new Set(labels).size, awkward.length)
    assert.includeMembers(labels, [`"`, `\\\\`, `&amp;amp;`, `a\\\\u000ab`, `&lt;b&gt;`])
    for (const name of names) parseDot(Diagram.toGraphViz(machine(name, [["A", []]])))
  })

  it.runIf(hasGraphviz)("is drawn by Graphviz, with any tag as it is", () => {
    const draw = (task: Task.Any) => {
      const { status, stderr, stdout } = spawnSync(graphviz, ["-Tsvg"], {
        input: Diagram.toGraphViz(task, { counts }),
        encoding: "utf8"
      })
      assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
      return [...stdout.matchAll(/<text [^>]*font-weight="bold"[^>]*>([^<]*)<\/text>/g)].map(([, text]) =>
        unescaped(text!)
      )
    }
    assert.deepStrictEqual(draw(Order), ["Order", "Ordered", "Charged", "Shipped", "Paid.v1"])
    const name = "Awkward \\N \"x\" <b> &amp;"
    assert.deepStrictEqual(draw(machine(name, awkward.map((tag) => [tag, [tag]]))), [name, ...awkward.map(escaped)])
  })
})

describe("Diagram.toGraph", () => {
  it("tells which states wait, for what, and whose children they hold", () => {
    const { edges, ends, nodes } = Diagram.toGraph(Approval)
    assert.deepStrictEqual(ends, [{ from: "Ordered", label: "Rejected" }, { from: "Charged", label: "Approved" }])
    assert.deepStrictEqual(nodes.map(({ children, tag, waits }) => ({ children, tag, waits })), [
      { tag: "Ordered", waits: true, children: [] },
      { tag: "Gather", waits: true, children: ["Mail, <b>"] },
      { tag: "Charged", waits: true, children: [] }
    ])
    assert.deepInclude(edges, { from: "Ordered", to: "Gather", label: "Approved, after 3d" })
  })
})
