/** The migrations, as the tests expect them to be noted: derived from the public list, so that a new one is in it. */
import { Migrations } from "../../../src/index.ts"

/** Each with its number and its name. */
export const allMigrations: ReadonlyArray<readonly [id: number, name: string]> = Object.keys(Migrations.migrations).map(
  (key) => {
    const at = key.indexOf("_")
    return [Number(key.slice(0, at)), key.slice(at + 1)]
  }
)
