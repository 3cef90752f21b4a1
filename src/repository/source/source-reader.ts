/*
 * From walked files to chunks and manifest entries: what is unchanged is known by its fingerprint, what changed is
 * read. Storing chunks is not its affair.
 */

import type { Chunker } from '../../chunking/chunker.ts'
import type { TensorPlace } from '../../chunking/cut-tensors.ts'
import { lookAt } from '../../local/look-at.ts'
import { wholeMicroseconds } from '../../local/times.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { errnoOf, messageOf, throwIfAborted } from '../../util/errors.ts'
import { Breather } from '../../util/event-loop.ts'
import { comparePaths } from '../../util/paths.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { Entry } from '../format/manifest.ts'
import { FileChangedError, readFileChunks } from './file-reader.ts'
import type { StatCache } from './stat-cache.ts'

/** Takes every chunk that is met, with its place where it is part of a tensor: `bytes` are valid until the promise resolves. */
export type ChunkSink = (id: Uint8Array, bytes: Uint8Array, place: TensorPlace | undefined) => Promise<void> | void

/** Follows a reading file by file. */
export interface FileFollower {
  /** The order in which the files are to be read. */
  arrange: (files: readonly WalkedEntry[]) => Promise<WalkedEntry[]>
  /** A file is going to be read from its beginning, perhaps once more. */
  begin: (file: WalkedEntry) => Promise<void>
  /** A file consists of these chunks; undefined where it could not be read. */
  end: (file: WalkedEntry, chunks: Buffer | undefined) => Promise<void>
}

export interface SourceReaderOptions {
  follower?: FileFollower | undefined
  chunker: Chunker
  cache: StatCache | undefined
  /** True when all chunks of an unchanged file are at hand in the repository, so that it need not be read. */
  isStored: (chunks: Buffer) => boolean
  sink: ChunkSink
  now: () => number
  reporter: Reporter
  onProgress: (done: { doneBytes: number; totalBytes: number; doneFiles: number; totalFiles: number }) => void
  signal?: AbortSignal | undefined
}

export interface SourceReading {
  /** Sorted by path; files that could not be read are not among them. */
  entries: Entry[]
  failedFiles: string[]
  files: number
  directories: number
  symlinks: number
  /** Bytes of all files, and of those that were read rather than known. */
  bytes: number
  readBytes: number
}

/** Files of one extension are read together: like stands beside like in blocks. */
export function readingOrder(entries: readonly WalkedEntry[]): WalkedEntry[] {
  const files = entries.filter(entry => entry.type === 'file')
  const extension = new Map(files.map(file => [file, extensionOf(file.path)]))
  return files.sort((a, b) => {
    const x = extension.get(a)!
    const y = extension.get(b)!
    return x < y ? -1 : x > y ? 1 : comparePaths(a.path, b.path)
  })
}

function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : ''
}

/** Reads what is new or changed of a walked source, and turns all of it into manifest entries. */
export async function readSource(walked: readonly WalkedEntry[], options: SourceReaderOptions): Promise<SourceReading> {
  const reading: SourceReading = { entries: [], failedFiles: [], files: 0, directories: 0, symlinks: 0, bytes: 0, readBytes: 0 }
  for (const entry of walked) {
    const { path, mode } = entry
    const mtime = wholeMicroseconds(entry.fingerprint.mtime)
    if (entry.type === 'directory') {
      reading.directories++
      reading.entries.push({ path, type: 'directory', mode, mtime })
    } else if (entry.type === 'symlink') {
      reading.symlinks++
      reading.entries.push({ path, type: 'symlink', mode, mtime, target: entry.target! })
    }
  }
  const inOrder = readingOrder(walked)
  const files = (await options.follower?.arrange(inOrder)) ?? inOrder
  const totalBytes = files.reduce((sum, file) => sum + file.fingerprint.size, 0)
  const turns = new Breather()
  let finishedBytes = 0
  let doneFiles = 0
  const report = (partBytes: number): void =>
    options.onProgress({ doneBytes: finishedBytes + partBytes, totalBytes, doneFiles, totalFiles: files.length })
  for (const file of files) {
    throwIfAborted(options.signal)
    let partBytes = 0
    const done = await readOne(file, options, async (id, bytes, place) => {
      partBytes += bytes.length
      if (turns.isDue()) {
        report(Math.min(partBytes, file.fingerprint.size))
        await turns.breathe()
        throwIfAborted(options.signal)
      }
      await options.sink(id, bytes, place)
    })
    await options.follower?.end(file, done?.chunks)
    if (done === undefined) reading.failedFiles.push(file.localPath)
    else {
      const { fingerprint, chunks, read } = done
      reading.files++
      reading.bytes += fingerprint.size
      if (read) reading.readBytes += fingerprint.size
      reading.entries.push({
        path: file.path,
        type: 'file',
        mode: file.mode,
        mtime: wholeMicroseconds(fingerprint.mtime),
        size: fingerprint.size,
        chunks,
      })
    }
    finishedBytes += file.fingerprint.size
    doneFiles++
    // of files that are known already thousands go by in a moment
    const isDue = turns.isDue()
    if (isDue || done?.read !== false) report(0)
    if (isDue) await turns.breathe()
  }
  report(0)
  reading.entries.sort((a, b) => comparePaths(a.path, b.path))
  return reading
}

interface ReadFile {
  fingerprint: WalkedEntry['fingerprint']
  chunks: Buffer
  read: boolean
}

/** A file that changes while it is read is tried once more as it then is; after that it is reported and left out, never stored half old and half new. */
async function readOne(file: WalkedEntry, options: SourceReaderOptions, sink: ChunkSink): Promise<ReadFile | undefined> {
  const cached = options.cache?.lookup(file.path, file.fingerprint)
  if (cached && options.isStored(cached)) {
    options.cache!.keep(file.path)
    return { fingerprint: file.fingerprint, chunks: cached, read: false }
  }
  let fingerprint = file.fingerprint
  for (let attempt = 1; ; attempt++) {
    const readAt = options.now()
    await options.follower?.begin(file)
    try {
      const chunks = await readFileChunks(file.localPath, fingerprint, options.chunker, sink)
      options.cache?.record(file.path, fingerprint, chunks, readAt)
      return { fingerprint, chunks, read: true }
    } catch (error) {
      const code = errnoOf(error)
      if (!(error instanceof FileChangedError) && code === undefined) throw error
      const now = attempt === 1 && error instanceof FileChangedError ? lookAt(file.localPath) : undefined
      if (now?.type === 'file') fingerprint = now.fingerprint
      else {
        options.reporter.warn(
          `${file.localPath} was not saved: ${code === 'ENOENT' ? 'it vanished while it was being read' : messageOf(error)}`,
        )
        return undefined
      }
    }
  }
}
