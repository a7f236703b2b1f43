/**
 * A real browser. `CHROMIUM` names one; else it is the one that an npm package brings (on Linux), or an installed Chrome.
 */
import { Effect, type Scope } from "effect"
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createBrotliDecompress } from "node:zlib"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

const require = createRequire(import.meta.url)

/** Where the package keeps its packed browser: it says only where its code is. */
const packed = (): { readonly file: string; readonly version: string } => {
  const root = dirname(dirname(dirname(require.resolve("@sparticuz/chromium"))))
  const { version } = require(join(root, "package.json")) as { readonly version: string }
  return { file: join(root, "bin", "chromium.br"), version }
}

/** Unpacks it once for this machine. Several processes may do so at the same time: the last one's file stays. */
const unpack = async (): Promise<string> => {
  const { file, version } = packed()
  const folder = join(tmpdir(), `effect-pg-task-chromium-${version}`)
  const target = join(folder, "chromium")
  if (existsSync(target)) return target
  mkdirSync(folder, { recursive: true })
  const part = join(folder, `part-${process.pid}`)
  try {
    await pipeline(createReadStream(file), createBrotliDecompress(), createWriteStream(part, { mode: 0o755 }))
    renameSync(part, target)
  } finally {
    rmSync(part, { force: true })
  }
  return target
}

const executable = async (): Promise<string | undefined> => {
  const given = process.env["CHROMIUM"]
  if (given !== undefined && given !== "") return given
  return process.platform === "linux" && process.arch === "x64" ? await unpack() : undefined
}

/** As root, and in containers with little shared memory. */
const args = ["--no-sandbox", "--disable-setuid-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-zygote"]

const launch = async (): Promise<Browser> => {
  const executablePath = await executable()
  return await chromium.launch(
    executablePath === undefined ? { channel: "chrome" } : { executablePath, args: [...args, "--headless"] }
  )
}

/** A browser that ends with the scope. */
export const makeBrowser: Effect.Effect<Browser, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(launch),
  (browser) => Effect.promise(() => browser.close())
)

/** Playwright's own limit is 30 s: too little for a busy machine. */
const limit = 240_000

/** A page in a session of its own. What goes wrong in it (errors, violations of its policy) is in `faults`. */
export const openPage = (browser: Browser, options: BrowserContextOptions = {}) =>
  Effect.gen(function*() {
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })),
      (context) => Effect.promise(() => context.close())
    )
    context.setDefaultTimeout(limit)
    const page: Page = yield* Effect.promise(() => context.newPage())
    const faults: Array<string> = []
    page.on("pageerror", (error) => faults.push(String(error)))
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text())
    })
    return { page, faults }
  })
