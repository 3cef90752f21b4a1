import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readAt } from '../../local/read-at.ts'
import { replaceFile } from '../../local/replace-file.ts'
import { errnoOf, messageOf } from '../../util/errors.ts'
import { makeFolder, realFileSystem, type FileSystem } from '../../util/file-system.ts'
import type { Reporter } from '../../util/reporter.ts'
import { openOwnFile } from '../../util/small-file.ts'
import { ManifestDecoder, encodeRows, type Entry } from '../format/manifest.ts'

/** Characters that are written at a time. */
const PIECE = 256 * 1024
/** Bytes that hold the first line of a file. */
const HEAD_BYTES = 1024
/** SHA-256 in hex. */
const CHECKSUM_CHARACTERS = 64
/** The last line. */
const SHA256_LINE = CHECKSUM_CHARACTERS + 1

/**
 * The newest version of a name that this machine knows, with all its manifest entries. With it, `status` need not ask
 * the store.
 */
export interface NotedVersion {
  id: string
  name: string
  /** The id of the keys with which chunks got their ids (`ChunkKeys`). Undefined in a plain repository. */
  keyId?: string | undefined
  /** ms since 1970. */
  time: number
  /** Mode of the folder itself; undefined if the version does not have it. */
  rootMode?: number | undefined
  entries: Entry[]
}

/**
 * Writes a file: one line of JSON, the manifest's rows, and a last line with the SHA-256 of all lines before. The
 * file's mtime is the time at which its version was last known to be the newest. If the file holds that version
 * already, only the mtime is set. Without a file, nothing is noted.
 */
export async function saveNotedVersion(
  file: string | undefined,
  version: NotedVersion,
  reporter: Reporter,
  fileSystem = realFileSystem,
): Promise<void> {
  if (file === undefined) return
  try {
    const now = new Date()
    if ((await idIn(file, fileSystem)) === version.id) return await fileSystem.promises.utimes(file, now, now)
    makeFolder(dirname(file), { mode: 0o700, fileSystem })
    await replaceFile(file, piecesOf(version), { fileSystem })
  } catch (error) {
    reporter.detail(`the note of the last version ${file} can't be written (${messageOf(error)})`)
  }
}

type Head = Omit<NotedVersion, 'entries'>

async function idIn(file: string, fileSystem: FileSystem): Promise<string | undefined> {
  return (await readEnds(file, fileSystem).catch(() => undefined))?.head.id
}

/** The version that a file notes. Undefined if there is no such file, or it can't be read. */
export async function noteIn(file: string): Promise<Head | undefined> {
  return (await readEnds(file, realFileSystem).catch(() => undefined))?.head
}

/** Removes the note of a version that is no longer the newest: one of `ids`, or any if these are not given. */
export async function dropNotedVersion(file: string | undefined, ids?: ReadonlySet<string>): Promise<void> {
  if (file === undefined) return
  const note = ids && (await noteIn(file))
  if (ids === undefined || (note !== undefined && ids.has(note.id))) await rm(file, { force: true }).catch(() => undefined)
}

/** The name of the version that a file notes, and when it was last known to be the newest (ms since 1970). */
export async function nameNotedIn(file: string): Promise<{ name: string; mtimeMs: number } | undefined> {
  const ends = await readEnds(file, realFileSystem).catch(() => undefined)
  return ends && { name: ends.head.name, mtimeMs: ends.mtimeMs }
}

/** The first line, the checksum in the last one, and when the file was changed (ms since 1970). */
async function readEnds(file: string, fileSystem: FileSystem): Promise<{ head: Head; checksum: string; mtimeMs: number }> {
  const handle = await openOwnFile(file, fileSystem)
  try {
    const { size, mtimeMs } = await handle.stat()
    const [head] = (await readAt(handle, 0, HEAD_BYTES)).toString().split('\n', 1)
    const checksum = (await readAt(handle, Math.max(0, size - CHECKSUM_CHARACTERS - 1), CHECKSUM_CHARACTERS)).toString()
    return { head: JSON.parse(head!) as Head, checksum, mtimeMs }
  } finally {
    await handle.close()
  }
}

/** Whether the file was made of these very entries. This is much quicker than reading and comparing it. */
export async function isNotedAs(file: string, entries: Entry[]): Promise<(Head & { knownSince: number }) | undefined> {
  try {
    const { head, checksum, mtimeMs } = await readEnds(file, realFileSystem)
    let last = ''
    for (const piece of piecesOf({ ...head, entries })) last = piece
    return last.endsWith(`${checksum}\n`) ? { ...head, knownSince: mtimeMs } : undefined
  } catch {
    return undefined
  }
}

/** Yields the rows piece by piece, so that a large manifest is never in memory as one text. */
function* piecesOf({ entries, ...head }: NotedVersion): Generator<string> {
  const hash = createHash('sha256')
  let text = `${JSON.stringify(head)}\n`
  for (const entry of entries) {
    for (const row of encodeRows(entry)) text += row
    if (text.length < PIECE) continue
    hash.update(text)
    yield text
    text = ''
  }
  hash.update(text)
  yield `${text}${hash.digest('hex')}\n`
}

/**
 * Reads a file. Undefined if there is none. A damaged file is reported as a detail and deleted, because the store has
 * the version too. `knownSince` is ms since 1970.
 */
export async function loadNotedVersion(
  file: string,
  reporter: Reporter,
  fileSystem = realFileSystem,
): Promise<(NotedVersion & { knownSince: number }) | undefined> {
  try {
    const { content, mtimeMs } = await readWhole(file, fileSystem)
    const end = content.lastIndexOf('\n', content.length - 2) + 1
    const text = content.slice(0, end)
    if (content.slice(end).trim() !== digest(text)) throw new Error('its checksum does not match')
    const firstLine = text.indexOf('\n')
    const head = JSON.parse(text.slice(0, firstLine)) as Head
    const decoder = new ManifestDecoder(head.name)
    return { ...head, knownSince: mtimeMs, entries: [...decoder.push(Buffer.from(text.slice(firstLine + 1))), ...decoder.finish()] }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    reporter.detail(`the note of the last version ${file} can't be used (${messageOf(error)})`)
    await fileSystem.promises.rm(file, { force: true }).catch(() => undefined)
    return undefined
  }
}

async function readWhole(file: string, fileSystem: FileSystem): Promise<{ content: string; mtimeMs: number }> {
  const handle = await openOwnFile(file, fileSystem)
  try {
    const { mtimeMs } = await handle.stat()
    return { content: await handle.readFile('utf8'), mtimeMs }
  } finally {
    await handle.close()
  }
}

/**
 * The entries of the version `id`, if a file notes it, piece by piece. Throws if it notes another version, or is
 * damaged, which shows only in the end.
 */
export async function* notedEntries(file: string, id: string): AsyncGenerator<Entry> {
  const handle = await openOwnFile(file)
  try {
    const { size } = await handle.stat()
    const hash = createHash('sha256')
    let head = ''
    let decoder: ManifestDecoder | undefined
    for await (const piece of handle.createReadStream({ autoClose: false, start: 0, end: size - SHA256_LINE - 1, highWaterMark: PIECE })) {
      const bytes = piece as Buffer
      hash.update(bytes)
      if (decoder) {
        yield* decoder.push(bytes)
        continue
      }
      head += bytes.toString('latin1')
      const end = head.indexOf('\n')
      if (end < 0) continue
      const noted = JSON.parse(Buffer.from(head.slice(0, end), 'latin1').toString()) as Head
      if (noted.id !== id) throw new Error(`it notes another version, ${noted.id}`)
      decoder = new ManifestDecoder(noted.name)
      yield* decoder.push(Buffer.from(head.slice(end + 1), 'latin1'))
    }
    const checksum = (await readAt(handle, size - SHA256_LINE, SHA256_LINE)).toString().trim()
    if (!decoder || checksum !== hash.digest('hex')) throw new Error('its checksum does not match')
    yield* decoder.finish()
  } finally {
    await handle.close()
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
