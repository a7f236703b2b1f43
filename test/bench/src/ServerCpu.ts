import { readdirSync, readFileSync } from "node:fs"

/** What looks for the server's process: any client. */
interface Client {
  readonly query: (text: string) => Promise<{ readonly rows: ReadonlyArray<unknown> }>
}

/** Of a process, from /proc: its parent, its own ticks, and those of its children that have ended. */
const statOf = (pid: string) => {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  const ticks = (from: number) => Number(fields[from]) + Number(fields[from + 1])
  return { parent: fields[1]!, own: ticks(11), ended: ticks(13) }
}

const msPerTick = 10

/** The CPU time of all of the server's processes so far, in ms. NaN where it runs elsewhere, or not on Linux. */
export const serverCpu = async (client: Client): Promise<number> => {
  try {
    const { rows } = await client.query("select pg_backend_pid() as pid")
    const server = statOf(String((rows[0] as { readonly pid: number }).pid)).parent
    const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
      try {
        return [{ pid, ...statOf(pid) }]
      } catch {
        return []
      }
    })
    const children = processes.filter(({ parent }) => parent === server)
    const { ended, own } = statOf(server)
    return (own + ended + children.reduce((sum, child) => sum + child.own, 0)) * msPerTick
  } catch {
    return NaN
  }
}
