import { closeSync, openSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import { AS_LISTED, readAtSync } from '../../local/read-at.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { errnoOf } from '../../util/errors.ts'
import { fsPath } from '../../util/paths.ts'
import { byExtension, extensionOf } from './reading-order.ts'

/** A longer file repeats more within itself than in a neighbour. */
const MAX_FILE_BYTES = 64 * 1024
/** With fewer or smaller files, one block holds them all in any order. */
const MIN_STEMS = 64
const MIN_BYTES = 1024 * 1024
/** Stems that are tried, in this many runs of neighbours. */
const RUNS = 2
const RUN_STEMS = 4
/** Kinds of stems that are tried, at most: the ones with the most bytes. */
const MAX_TRIALS = 4
/** Files of one stem must be smaller together by this factor than with files of their own extension. */
const TOGETHER_WINS = 0.95

/** Files that differ in their extensions only, such as `a/1.json` and `a/1.txt`. */
type Stem = WalkedEntry[]

/** All stems with the same extensions. */
interface StemKind {
  /** The extension that all of their files are ordered by. */
  extension: string
  stems: Stem[]
  bytes: number
}

/**
 * Files in reading order, but small new ones that differ in their extensions only, such as a mail as `.json` and as
 * `.txt`, come together if that makes them smaller. A trial of eight such stems decides. Reads nothing if few files are
 * new.
 */
export function pairsTogether(files: readonly WalkedEntry[], isNew: (file: WalkedEntry) => boolean): readonly WalkedEntry[] {
  const small = files.filter(file => file.fingerprint.size <= MAX_FILE_BYTES && extensionOf(file.path) !== '' && isNew(file))
  if (small.length < 2 * MIN_STEMS) return files
  const paired = new Map<WalkedEntry, string>()
  for (const { extension, stems } of kindsOf(small)) {
    if (areSmallerTogether(stems)) for (const file of stems.flat()) paired.set(file, extension)
  }
  return paired.size === 0 ? files : byExtension(files, file => paired.get(file) ?? extensionOf(file.path))
}

/** The kinds of stems that are worth a trial. `files` are ordered by their extensions. */
function kindsOf(files: readonly WalkedEntry[]): StemKind[] {
  const stems = new Map<string, Stem>()
  for (const file of files) {
    const name = file.path.slice(0, file.path.lastIndexOf('.'))
    const stem = stems.get(name)
    if (stem) stem.push(file)
    else stems.set(name, [file])
  }
  const kinds = new Map<string, StemKind>()
  for (const stem of stems.values()) {
    if (stem.length < 2) continue
    const extensions = stem.map(({ path }) => extensionOf(path))
    const key = extensions.join('/')
    const kind = kinds.get(key) ?? { extension: extensions[0]!, stems: [], bytes: 0 }
    kinds.set(key, kind)
    kind.stems.push(stem)
    for (const { fingerprint } of stem) kind.bytes += fingerprint.size
  }
  const worth = [...kinds.values()].filter(({ stems, bytes }) => stems.length >= MIN_STEMS && bytes >= MIN_BYTES)
  return worth.sort((a, b) => b.bytes - a.bytes).slice(0, MAX_TRIALS)
}

function areSmallerTogether(stems: readonly Stem[]): boolean {
  const tried = Array.from({ length: RUNS }, (_, run) => Math.floor(((run + 0.5) * stems.length) / RUNS)).flatMap(start =>
    stems.slice(start, start + RUN_STEMS),
  )
  const contents = tried.map(stem => stem.map(contentOf)).filter(stem => stem.every(content => content !== undefined))
  if (contents.length === 0) return false
  const apart = contents[0]!.map((_, extension) => Buffer.concat(contents.map(stem => stem[extension]!)))
  return packed(Buffer.concat(contents.flat())) < TOGETHER_WINS * apart.reduce((sum, bytes) => sum + packed(bytes), 0)
}

const packed = (bytes: Uint8Array): number => deflateRawSync(bytes).length

/** The bytes of a small file; undefined if it can't be read: the push will report that. */
function contentOf(file: WalkedEntry): Uint8Array | undefined {
  try {
    const fd = openSync(fsPath(file.localPath), AS_LISTED)
    try {
      return readAtSync(fd, 0, MAX_FILE_BYTES)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
