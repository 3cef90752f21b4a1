/*
 * Ordinary archives, written and read as streams: tar.zst, tar.gz and zip. They have nothing to do with repositories.
 */

import { createGzip } from 'node:zlib'
import type { Level } from '../compression/limits.ts'
import type { CompressionPool } from '../compression/pool.ts'
import { statedFingerprint } from '../local/fingerprint.ts'
import type { WalkedEntry, WalkResult } from '../local/walk.ts'
import { throwIfAborted } from '../util/errors.ts'
import type { Reporter } from '../util/reporter.ts'
import { pipeThrough, type ByteStream } from './byte-stream.ts'
import type { ArchiveFormat } from './format.ts'
import type { ByteSink } from './sink.ts'
import type { Contents } from './source-file.ts'
import { writeArchive, type WriteResult } from './write-archive.ts'
import { compressZstd } from './zstd-writer.ts'

export interface CompressContext {
  pool: CompressionPool
  reporter: Reporter
  signal: AbortSignal
}

/** What an archive is made of: a walked folder or file, or a version. */
export interface ArchivedSource extends Pick<WalkResult, 'entries' | 'rootType' | 'root' | 'rootAttributes' | 'failed'> {
  /** By default files of this machine. */
  contents?: Contents
}

export interface CompressRequest {
  source: ArchivedSource
  /** Prefix of the names of all entries. */
  name: string
  format: ArchiveFormat
  level: Level
  /** Absolute path of a file to leave out: the archive itself. */
  omit?: string | undefined
}

export interface CompressResult extends WriteResult {
  /** Plain bytes of the files. */
  bytes: number
  archiveBytes: number
}

export const ZLIB_LEVEL: Record<Level, number> = { fast: 1, balanced: 6, high: 8, max: 9 }

/** Writes an archive of a walked source into `sink` and finishes it. Aborts the sink on an error or an interrupt. */
export async function compress(context: CompressContext, request: CompressRequest, sink: ByteSink): Promise<CompressResult> {
  const { reporter, signal } = context
  const entries = archiveEntries(request)
  const totalBytes = entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.fingerprint.size : 0), 0)
  const totalFiles = entries.filter(({ type }) => type === 'file').length
  const packed: WriteResult = { files: 0, directories: 0, symlinks: 0, hardlinks: 0, failed: 0 }
  let [bytes, doneFiles, archiveBytes] = [0, 0, 0]
  const report = (): void =>
    reporter.progress({ phase: 'storing', doneBytes: bytes, totalBytes, doneFiles, totalFiles, storedBytes: archiveBytes, newBytes: bytes })
  const plain = writeArchive(
    entries,
    {
      container: request.format === 'zip' ? 'zip' : 'tar',
      zlibLevel: ZLIB_LEVEL[request.level],
      contents: request.source.contents,
      reporter,
      signal,
      onRead: length => {
        bytes += length
        report()
      },
      onFile: () => doneFiles++,
    },
    packed,
  )
  try {
    for await (const piece of encoded(plain, request, context.pool)) {
      throwIfAborted(signal)
      await sink.write(piece)
      archiveBytes += piece.length
      report()
    }
    throwIfAborted(signal)
    await sink.finish()
  } catch (error) {
    await sink.abort(reporter)
    throw error
  }
  const failed = packed.failed + request.source.failed
  return { ...packed, bytes, archiveBytes, failed }
}

function encoded(plain: ByteStream, { format, level }: CompressRequest, pool: CompressionPool): ByteStream {
  if (format === 'tar.zst') return compressZstd(plain, pool, level)
  return format === 'tar.gz' ? pipeThrough(plain, createGzip({ level: ZLIB_LEVEL[level] })) : plain
}

/** Sorted by path. A folder comes before its contents. */
export function archiveEntries({ source, name, omit }: Pick<CompressRequest, 'source' | 'name' | 'omit'>): WalkedEntry[] {
  const entries = source.entries.filter(entry => entry.localPath !== omit)
  if (source.rootType === 'file') return entries.map(entry => ({ ...entry, path: name }))
  const { mode, mtime } = source.rootAttributes!
  const fingerprint = statedFingerprint(0, mtime)
  const root: WalkedEntry = { path: name, localPath: source.root, type: 'directory', mode, fingerprint }
  return [root, ...entries.map(entry => ({ ...entry, path: `${name}/${entry.path}` }))]
}
