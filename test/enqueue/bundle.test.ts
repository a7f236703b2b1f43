// What a program that only enqueues is made of.
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** A program as one file, without Effect and the driver, and the modules of which any code is left in it. */
const bundle = async (script: string) => {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [`test/support/bundle/scripts/${script}`],
    bundle: true,
    format: "esm",
    platform: "node",
    external: ["effect", "@effect/*"],
    metafile: true,
    write: false
  })
  const [output] = Object.values(metafile.outputs)
  const modules = Object.entries(output!.inputs).flatMap(([module, { bytesInOutput }]) =>
    bytesInOutput > 0 ? [module] : []
  )
  return { text: outputFiles[0]!.text, modules }
}

const handler = "the handler packs"

describe("a program that only enqueues", () => {
  it("loads no handler, and nothing of the worker", async () => {
    const { modules, text } = await bundle("producer.ts")
    assert.include(text, `declare("Order"`)
    assert.notInclude(text, handler)
    assert.notInclude(modules, "test/support/bundle/scripts/order.worker.ts")
    assert.deepStrictEqual(
      modules.filter((module) => /^src\/(Worker|Admin|Diagram|internal\/(attempt|worker|admin|diagram))/.test(module)),
      []
    )
  })

  it("would be found out: the worker's program has both", async () => {
    const { modules, text } = await bundle("order.worker.ts")
    assert.include(text, handler)
    assert.include(modules, "src/internal/worker/runtime.ts")
  })
})
