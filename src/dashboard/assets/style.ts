/** The style sheet. Colours are chosen for a contrast of 4.5 at least, in light and in dark. */
export const style = String.raw`
:root {
  color-scheme: light dark;
  --bg: #f6f8fa; --card: #ffffff; --text: #1f2328; --quiet: #59636e; --line: #d1d9e0; --link: #0757b5;
  --accent: #0757b5; --on-accent: #ffffff; --focus: #0969da;
  --parked-bg: #ffe3e1; --parked: #a40e26; --limited-bg: #fbe6d5; --limited: #8a3c00;
  --ready-bg: #fff3c2; --ready: #725000; --waiting-bg: #efe4ff; --waiting: #6639ba;
  --running-bg: #d8f6df; --running: #116329; --scheduled-bg: #dcefff; --scheduled: #0a4f99;
  --ended-bg: #e6eaef; --ended: #414a53; --empty-bg: #f6f8fa; --empty: #59636e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0d1117; --card: #161b22; --text: #e6edf3; --quiet: #9ba6b2; --line: #303841; --link: #6cb6ff;
    --accent: #6cb6ff; --on-accent: #0d1117; --focus: #6cb6ff;
    --parked-bg: #4a1217; --parked: #ffb3ae; --limited-bg: #47290d; --limited: #ffc48d;
    --ready-bg: #413202; --ready: #f2d06b; --waiting-bg: #34215a; --waiting: #d9c3ff;
    --running-bg: #0f3a1c; --running: #7ee09a; --scheduled-bg: #0b2f57; --scheduled: #a5d3ff;
    --ended-bg: #2a3138; --ended: #c3ccd5; --empty-bg: #1c2128; --empty: #9ba6b2;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body { margin: 0; background: var(--bg); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
main a.plain, footer a { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
main:focus { outline: none; }
h1 { font-size: 1.35rem; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
p { margin: 0 0 .6rem; }
code, pre, textarea.code, .id { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .86rem; }
pre { margin: 0; padding: .7rem; background: var(--bg); border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 30rem; overflow: auto; }
.quiet { color: var(--quiet); }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: .5rem; top: .5rem; background: var(--card); padding: .3rem .6rem; z-index: 3; }
header.top { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.2rem; padding: .55rem 1.2rem;
  background: var(--card); border-bottom: 1px solid var(--line); position: sticky; top: 0; z-index: 2; }
header.top ul { display: flex; flex-wrap: wrap; gap: .2rem; list-style: none; margin: 0; padding: 0; }
header.top nav a { display: block; padding: .25rem .6rem; border-radius: 6px; color: var(--text); }
header.top nav a[aria-current] { background: var(--accent); color: var(--on-accent); }
.find { margin-left: auto; display: flex; align-items: center; gap: .4rem; }
.find input { width: 13rem; }
.who { margin: 0; }
.pill { white-space: nowrap; border: 1px solid var(--line); border-radius: 99px; padding: 0 .5rem; font-size: .82rem; color: var(--quiet); }
[data-feed-state] { font-size: .82rem; color: var(--quiet); }
[data-feed-state]::before { content: ""; display: inline-block; width: .55rem; height: .55rem; border-radius: 50%;
  margin-right: .3rem; background: var(--quiet); }
[data-feed-state="live"]::before { background: var(--running); }
[data-feed-state="reconnecting"]::before, [data-feed-state="no numbers"]::before { background: var(--parked); }
main { max-width: 78rem; margin: 0 auto; padding: 1.2rem; }
footer { max-width: 78rem; margin: 0 auto; padding: 0 1.2rem 1rem; color: var(--quiet); font-size: .85rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.1rem; margin: 0 0 1.1rem; }
.machine { display: grid; grid-template-columns: fit-content(48%) minmax(0, 1fr); gap: .4rem 1.4rem; }
.machine > header { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: center; }
.machine > header h2 { margin: 0; font-size: 1.15rem; }
.machine th, .machine td { padding-inline: .4rem; }
.machine.rows { grid-template-columns: minmax(0, 1fr); }
.drawing { overflow: auto; max-height: 44rem; }
.drawing svg { display: block; margin: 0 auto; }
.drawing svg.fits { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
.scroll + .bar { margin-top: .9rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--quiet); padding-bottom: .3rem; }
th, td { text-align: left; padding: .32rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--quiet); font-weight: 600; font-size: .85rem; white-space: nowrap; }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody th { font-weight: 600; overflow-wrap: break-word; max-width: 22rem; }
td.wide { overflow-wrap: anywhere; min-width: 12rem; }
td.tight { white-space: nowrap; }
tr:focus-within { background: var(--bg); }
[data-zero] { color: var(--quiet); font-weight: 400; }
.badge { display: inline-block; border-radius: 99px; padding: 0 .55rem; font-size: .82rem; font-weight: 600; white-space: nowrap;
  background: var(--mood-bg); color: var(--mood); }
[data-mood] { --mood-bg: var(--empty-bg); --mood: var(--empty); }
[data-mood="parked"] { --mood-bg: var(--parked-bg); --mood: var(--parked); }
[data-mood="limited"] { --mood-bg: var(--limited-bg); --mood: var(--limited); }
[data-mood="ready"] { --mood-bg: var(--ready-bg); --mood: var(--ready); }
[data-mood="waiting"] { --mood-bg: var(--waiting-bg); --mood: var(--waiting); }
[data-mood="running"] { --mood-bg: var(--running-bg); --mood: var(--running); }
[data-mood="scheduled"] { --mood-bg: var(--scheduled-bg); --mood: var(--scheduled); }
[data-mood="ended"] { --mood-bg: var(--ended-bg); --mood: var(--ended); }
.node rect { fill: var(--mood-bg); stroke: var(--mood); stroke-width: 1.3; }
.node.final rect { stroke-width: 3; }
.node.waits rect { stroke-width: 2.4; stroke-dasharray: .1 5; stroke-linecap: round; }
.node.unknown rect { stroke-dasharray: 5 4; }
.node text { fill: var(--mood); text-anchor: middle; }
.node .name { font-weight: 600; font-size: 14px; }
.node .sum { font-size: 12px; }
.node .gate { fill: none; stroke: var(--mood); stroke-width: 1.6; }
a.node:hover rect { stroke-width: 2.4; }
.edge { fill: none; stroke: var(--quiet); stroke-width: 1.4; }
.edge-label { font-size: 12px; fill: var(--text); text-anchor: middle; paint-order: stroke; stroke: var(--card); stroke-width: 5px; }
.tip, .dot { fill: var(--quiet); }
.ring { fill: none; stroke: var(--quiet); stroke-width: 1.4; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.2rem, 1fr)); gap: .6rem; margin: 0 0 1.1rem; padding: 0; }
.figures > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .55rem .9rem; min-width: 0; }
.figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures dd a { color: inherit; }
.plot { display: inline-flex; align-items: center; gap: .4rem; color: var(--quiet); font-size: .82rem; }
.plot svg { display: block; max-width: 100%; border-bottom: 1px solid var(--line); }
.figures .plot { display: block; font-weight: 400; overflow: hidden; }
.plot path { fill: none; stroke: var(--link); stroke-width: 1.5; }
.plot path.bad { stroke: var(--parked); }
svg.when { display: block; margin-top: .4rem; background: var(--bg); border-radius: 2px; min-width: 10rem; }
svg.when rect { fill: var(--mood); }
form.filter { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: end; margin: 0 0 1rem; }
form.filter label { display: grid; gap: .1rem; font-size: .85rem; color: var(--quiet); }
form.inline, .bar form { display: inline; }
.bar { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: 0 0 1rem; }
input, select, textarea, button, .button { font: inherit; color: var(--text); background: var(--card);
  border: 1px solid var(--quiet); border-radius: 6px; padding: .28rem .55rem; max-width: 100%; }
input[type="checkbox"] { width: 1.05rem; height: 1.05rem; }
textarea { width: 100%; min-height: 5rem; }
button, .button { cursor: pointer; font-weight: 600; display: inline-block; }
button.main, .button.main { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
button.danger, .button.danger { background: var(--parked-bg); color: var(--parked); border-color: var(--parked); }
.note, .fault { border-radius: 8px; padding: .6rem .9rem; margin: 0 0 1rem; border: 1px solid var(--line); overflow-wrap: anywhere; }
.note { background: var(--running-bg); color: var(--running); border-color: var(--running); }
.fault { background: var(--parked-bg); color: var(--parked); border-color: var(--parked); }
dl.facts { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .3rem 1.1rem; margin: 0; }
dl.facts + p { margin-top: .8rem; }
dl.facts dt { color: var(--quiet); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
fieldset { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0 .9rem; padding: .6rem .9rem; min-width: 0; }
legend { font-weight: 600; padding: 0 .3rem; }
.field { margin: 0 0 .8rem; }
.field > label { display: block; font-weight: 600; }
.field .hint { color: var(--quiet); font-size: .85rem; margin: 0; }
.field .wrong { color: var(--parked); font-weight: 600; margin: .15rem 0 0; }
.field input:not([type="checkbox"]):not([type="radio"]) { width: 100%; }
.field[data-wrong] input, .field[data-wrong] textarea, .field[data-wrong] select { border-color: var(--parked); border-width: 2px; }
.line { display: flex; gap: .5rem; align-items: center; }
kbd { border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 4px; padding: 0 .35rem; font-family: inherit; background: var(--card); }
@media (max-width: 52rem) {
  .machine { grid-template-columns: minmax(0, 1fr); }
  main { padding: .8rem; }
  header.top { padding: .5rem .8rem; position: static; }
  .find { margin-left: 0; flex: 1 1 12rem; }
  .find input { width: 100%; }
  th, td { padding: .3rem .4rem; }
  .figures { grid-template-columns: repeat(auto-fit, minmax(6.2rem, 1fr)); }
  .figures > div { padding: .4rem .6rem; }
  .machine .plot svg { width: 3.6rem; }
  table.tasks, table.tasks thead, table.tasks tbody { display: block; }
  table.tasks thead tr { display: flex; }
  table.tasks thead th:not(.choose) { display: none; }
  table.tasks tbody tr { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .7rem; padding: .35rem 0; border-bottom: 1px solid var(--line); }
  table.tasks tbody td { border: 0; padding: .1rem 0; overflow-wrap: anywhere; }
  table.tasks td.wide { flex-basis: 100%; min-width: 0; }
  table.tasks td[data-label]::before { content: attr(data-label) " "; color: var(--quiet); }
  dl.facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dl.facts dd { margin-bottom: .5rem; }
}
`
