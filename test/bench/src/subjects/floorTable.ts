/**
 * The same floor on the table that ours migrates: what its partial indexes and its triggers cost each UPDATE
 * of a chain, before any library.
 */
import { Migrations } from "../../../../src/index.ts"
import type { Subject } from "../Subject.ts"
import { subject as floor } from "./floor.ts"
import { once } from "./support/effect.ts"

export const subject: Subject = {
  ...floor,
  title: "floor on the same table",
  settings: "the same, on the table of effect-pg-task",
  prepare: (url) => once(url, Migrations.run)
}
