/** The version of the style sheet and of the script: browsers keep each of them for as long as it has one address. */
import { icon } from "./icon.ts"
import { script } from "./script.ts"
import { style } from "./style.ts"

/** FNV-1a: short, and good enough to tell versions apart. */
const hash = (text: string): string => {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return (value >>> 0).toString(36)
}

export const version = hash(style + script + icon)
