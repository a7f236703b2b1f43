import { build } from "esbuild"
import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Commands } from "./Commands.ts"
import type { SubjectName } from "./Subject.ts"

export interface Request {
  readonly id: number
  readonly command: keyof Commands
  readonly argument: unknown
}

export interface Response {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

interface Waiting {
  readonly resolve: (value: any) => void
  readonly reject: (error: Error) => void
}

const dist = fileURLToPath(new URL("../dist", import.meta.url))

/**
 * Subjects run as plain JavaScript, as they do for those who use them. The loader that runs this TypeScript gives each
 * function its name when it is made, which costs a step of a chain about a twentieth.
 */
const bundle = async (): Promise<string> => {
  await build({
    entryPoints: [fileURLToPath(new URL("subjectMain.ts", import.meta.url))],
    outdir: dist,
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20"
  })
  return `${dist}/subjectMain.js`
}

let bundled: Promise<string> | undefined

/** The parent's handle on a subject's process. */
export class SubjectProcess {
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 1
  readonly subject: SubjectName
  private readonly child: ChildProcess

  private constructor(subject: SubjectName, child: ChildProcess) {
    this.subject = subject
    this.child = child
    child.on("message", (response: Response) => this.receive(response))
    child.on("exit", (code) => this.fail(new Error(`the process of ${subject} ended with code ${code}`)))
  }

  /** Starts the process, and waits until the subject is loaded. */
  static async start(subject: SubjectName): Promise<SubjectProcess> {
    bundled ??= bundle()
    const forked = fork(await bundled, [subject], {
      // What peers print about themselves is no result.
      execArgv: ["--no-deprecation"],
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
    const child = new SubjectProcess(subject, forked)
    await child.response(0)
    return child
  }

  call<K extends keyof Commands>(command: K, ...[argument]: Parameters<Commands[K]>): ReturnType<Commands[K]> {
    const id = this.nextId++
    this.child.send({ id, command, argument } satisfies Request)
    return this.response(id) as ReturnType<Commands[K]>
  }

  close(): void {
    this.child.removeAllListeners("exit")
    this.child.kill("SIGKILL")
  }

  private response(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }))
  }

  private receive({ id, value, error }: Response): void {
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(new Error(`${this.subject}: ${error}`))
  }

  private fail(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error)
    this.waiting.clear()
  }
}
