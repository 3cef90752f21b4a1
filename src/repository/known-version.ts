import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, messageOf } from '../util/errors.ts'
import type { Reporter } from '../util/reporter.ts'
import { ManifestDecoder, encodeRows, type Entry } from './manifest.ts'

/** Characters written at a time. */
const PIECE = 256 * 1024

/** The newest version of a name that this machine knows of, with all its entries: lets `status` answer without asking the store. */
export interface KnownVersion {
  id: string
  name: string
  /** ms since 1970. */
  time: number
  /** When this machine learned of it, ms since 1970. */
  knownSince: number
  entries: Entry[]
}

/** A file: one line of JSON, the manifest's rows, and a last line with the SHA-256 of all before. */
export async function saveKnownVersion(file: string, version: KnownVersion, reporter: Reporter): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(temporary, piecesOf(version), { mode: 0o600 })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    reporter.detail(`the note of the last version ${file} can't be written (${messageOf(error)})`)
  }
}

/** Piece by piece: a large manifest is never in memory as one text. */
function* piecesOf({ entries, ...head }: KnownVersion): Generator<string> {
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

/** Undefined when there is none, or when it is damaged (told as a detail): the store knows better anyway. */
export async function loadKnownVersion(file: string, reporter: Reporter): Promise<KnownVersion | undefined> {
  try {
    const content = await readFile(file, 'utf8')
    const end = content.lastIndexOf('\n', content.length - 2) + 1
    const text = content.slice(0, end)
    if (content.slice(end).trim() !== digest(text)) throw new Error('its checksum does not match')
    const firstLine = text.indexOf('\n')
    const head = JSON.parse(text.slice(0, firstLine)) as Omit<KnownVersion, 'entries'>
    const decoder = new ManifestDecoder(head.name)
    return { ...head, entries: [...decoder.push(Buffer.from(text.slice(firstLine + 1))), ...decoder.finish()] }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') reporter.detail(`the note of the last version ${file} can't be used (${messageOf(error)})`)
    return undefined
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
