export * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
export * as TaskTest from "./TaskTest.ts"
