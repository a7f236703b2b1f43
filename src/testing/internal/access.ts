/**
 * Who may change a folder, on a machine that other users share.
 *
 * Other users must not be able to put anything into a server's folder: with a link they could make this library write
 * or remove files elsewhere. If root uses a server that runs as another user, that user can replace a folder with a
 * link at any moment. So the folder is only changed by commands that run as that user, except that single files with
 * random names are renamed or removed. Root reads files there without following links.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import type { User } from "./command.ts"

export const uidOf = (user: User): number | undefined => user?.uid ?? process.getuid?.()

/** Whether every user may rename what is in the folder. The sticky bit, as /tmp has it, forbids that. */
export const isOpenToAll = async (folder: string): Promise<boolean> => {
  const { mode } = await fs.stat(folder)
  return (mode & 0o1002) === 0o0002
}

const isHomeOrEmpty = (entries: ReadonlyArray<string>): boolean =>
  entries.length === 0 || entries.includes("users") || entries.includes("acks")

/** Gives a folder of root's to the user. The handle makes sure that it is the folder that was checked. */
const handOver = async (folder: string, { gid, uid }: NonNullable<User>): Promise<void> => {
  const handle = await fs.open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    const owner = (await handle.stat()).uid
    // Another process that starts at the same time may have been first.
    if (owner !== 0 && owner !== uid) throw new Error("it belongs to another user")
    if (owner === 0) await handle.chown(uid, gid)
  } finally {
    await handle.close()
  }
}

/** Who runs the server in another user's folder: only root may start it, and not where everybody can make folders. */
const ownerOf = async (folder: string, { gid, uid }: Stats): Promise<NonNullable<User> | undefined> => {
  const parent = await fs.stat(path.dirname(folder))
  return process.getuid?.() !== 0 || (parent.mode & 0o002) !== 0 ? undefined : { uid, gid }
}

/**
 * Prepares the folder for a server, and returns who runs it: `user`, or, for root, the folder's owner. Returns
 * `"stranger"` if the folder can't be used, because it belongs to another user. Refuses a folder with other things in
 * it.
 */
export const settle = async (folder: string, user: User): Promise<User | "stranger"> => {
  const stat = await fs.lstat(folder)
  if (!stat.isDirectory()) throw new Error(stat.isSymbolicLink() ? "it is a link" : "it is no folder")
  const isUsers = stat.uid === uidOf(user)
  const isRoots = user !== undefined && stat.uid === 0
  const owner = isUsers || isRoots ? user : (await ownerOf(folder, stat)) ?? "stranger"
  const isClosedToUs = owner === "stranger" && (await fs.access(folder, constants.R_OK).then(() => false, () => true))
  if (!isClosedToUs && !isHomeOrEmpty(await fs.readdir(folder))) throw new Error("there are other things in it")
  if (isRoots) await handOver(folder, user)
  return owner
}

/** What a home has in folders of its own that must be no link either. */
const withinData = ["data/postmaster.pid", "data/pgpass"]

const isLink = (stat: Stats): boolean => stat.isSymbolicLink() || (stat.isFile() && stat.nlink > 1)

/** Fails if there is a link in the home, symbolic or hard, or something that belongs to neither its owner nor root. */
export const inspect = async (folder: string, owner: User): Promise<void> => {
  for (const name of [...(await fs.readdir(folder)), ...withinData]) {
    const stat = await fs.lstat(path.join(folder, name)).catch(() => undefined)
    if (stat !== undefined && isLink(stat)) throw new Error(`${name} is a link, remove it`)
    if (stat !== undefined && stat.uid !== 0 && stat.uid !== uidOf(owner)) {
      throw new Error(`${name} belongs to another user, remove it`)
    }
  }
}

/** Whether its owner alone may enter the folder. On some file systems a folder's mode can't be changed. */
export const isClosed = async (folder: string): Promise<boolean> => ((await fs.lstat(folder)).mode & 0o077) === 0

/** Opens a file without following a link, and without waiting for the other end of a FIFO. */
export const openFile = (file: string, flags: number): { readonly fd: number; readonly stat: Stats } => {
  const fd = openSync(file, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  return { fd, stat: fstatSync(fd) }
}

/** The content of a file, and what is known of the file. Throws if it is a link, or anything but a file. */
export const readPlain = (file: string): { readonly content: string; readonly stat: Stats } => {
  const { fd, stat } = openFile(file, constants.O_RDONLY)
  try {
    if (!stat.isFile()) throw new Error("it is no file")
    return { content: readFileSync(fd, "utf8"), stat }
  } finally {
    closeSync(fd)
  }
}

/** The content of a file; nothing if there is none, or something else in its place. */
export const readText = (file: string): string => {
  try {
    return readPlain(file).content
  } catch {
    return ""
  }
}
