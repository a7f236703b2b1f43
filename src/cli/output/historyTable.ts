/** How the history of a task looks in a terminal: a timeline, the oldest attempt first. */
import * as DateTime from "effect/DateTime"
import type * as Admin from "../../Admin.ts"
import type { Style } from "./print.ts"
import type { Column } from "./table.ts"
import { formatDuration, oneLine } from "./text.ts"

type Entry = Admin.HistoryEntry

const paintOutcome = (style: Style) => (text: string, { outcome }: Entry): string => {
  switch (outcome) {
    case "parked":
    case "rejected":
    case "lost":
      return style.red(text)
    case "retried":
      return style.yellow(text)
    case "finished":
      return style.green(text)
    default:
      return text
  }
}

/** The signal that it took, or the first line of its error. */
const detailOf = ({ error, signal }: Entry): string => oneLine(error ?? signal ?? "")

const time = ({ endedAt }: Entry) => DateTime.formatIso(endedAt).replace("T", " ").replace("Z", "")

export const historyColumns = (style: Style, width: number): ReadonlyArray<Column<Entry>> => [
  { title: "ENDED (UTC)", value: time },
  { title: "STEP", value: ({ state }) => oneLine(state ?? "?"), min: 8 },
  { title: "TRY", value: ({ attempt }) => String(attempt), align: "right" },
  { title: "OUTCOME", value: ({ outcome }) => outcome, paint: paintOutcome(style) },
  { title: "TOOK", value: ({ duration }) => duration === null ? "" : formatDuration(duration), align: "right" },
  { title: "DETAIL", value: detailOf, min: width < 82 ? 7 : 24 }
]
