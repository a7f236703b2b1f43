import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// Vitest 5 calls `Map.groupBy` to print failed tests. Node 20 hasn't got it yet.
const MapWithGroupBy = Map as { groupBy?: <K, A>(items: Iterable<A>, keyOf: (item: A) => K) => Map<K, Array<A>> }
MapWithGroupBy.groupBy ??= <K, A>(items: Iterable<A>, keyOf: (item: A) => K) => {
  const groups = new Map<K, Array<A>>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

const source = fileURLToPath(new URL("src", import.meta.url))

export default defineConfig({
  resolve: {
    // As in tsconfig.json: what imports this package by its name gets its source.
    alias: [
      { find: /^effect-pg-task(\/testing)?$/, replacement: `${source}$1/index.ts` },
      { find: /^effect-pg-task\/(.+)$/, replacement: `${source}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    // The benchmark is a package of its own, and the long faults have a command of their own.
    exclude: ["**/node_modules/**", "test/bench/**", "test/faults/long/**"],
    globalSetup: ["test/support/database/postgres.ts"],
    pool: "forks",
    // Each file has a database of its own, but all share one server and its machine.
    maxWorkers: Math.max(2, Math.min(4, availableParallelism())),
    // For broken code only, and longer than any few waits of a test (see `Wait.ts`): a test waits for what it expects,
    // so a long limit costs nothing when all is well, and a machine that is busy with other things breaks none.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    teardownTimeout: 120_000
  }
})
