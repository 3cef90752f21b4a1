import { execFileSync } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { compress, type CompressRequest, type CompressResult } from '../../src/archive/compress.ts'
import { extract, readArchiveFile, type ArchiveSource, type ExtractResult } from '../../src/archive/extract.ts'
import type { ArchiveFormat } from '../../src/archive/format.ts'
import type { ByteSink } from '../../src/archive/sink.ts'
import { zstdName, type ZstdName } from '../../src/compression/load-zstd.ts'
import { CompressionPool } from '../../src/compression/pool.ts'
import { walk } from '../../src/local/walk.ts'
import type { Reporter } from '../../src/util/reporter.ts'

/** The codecs of this Node: both where it has its own. */
export const CODECS: readonly ZstdName[] = zstdName() === 'native' ? ['native', 'portable'] : ['portable']

/** Everything in this thread. */
export function poolOf(prefer: ZstdName = zstdName()): CompressionPool {
  return new CompressionPool({ workers: 0, prefer })
}

/** A reporter that keeps what it is told. */
export function listening(): { reporter: Reporter; warnings: string[]; notes: string[] } {
  const warnings: string[] = []
  const notes: string[] = []
  const reporter: Reporter = {
    progress: () => undefined,
    note: message => void notes.push(message),
    warn: message => void warnings.push(message),
    detail: () => undefined,
  }
  return { reporter, warnings, notes }
}

export class MemorySink implements ByteSink {
  readonly pieces: Buffer[] = []
  ended: 'finished' | 'aborted' | undefined

  get bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }

  write(bytes: Uint8Array): Promise<void> {
    this.pieces.push(Buffer.from(bytes))
    return Promise.resolve()
  }

  finish(): Promise<void> {
    this.ended = 'finished'
    return Promise.resolve()
  }

  abort(): Promise<void> {
    this.ended = 'aborted'
    return Promise.resolve()
  }
}

interface Made {
  bytes: Buffer
  result: CompressResult
  warnings: string[]
}

/** What `compress <source>` writes. */
export async function archiveOf(source: string, format: ArchiveFormat, more: Partial<CompressRequest> = {}): Promise<Made> {
  const { reporter, warnings } = listening()
  const sink = new MemorySink()
  const walked = await walk(source, { reporter })
  const context = { pool: poolOf(), reporter, signal: new AbortController().signal }
  const result = await compress(context, { source: walked, name: basename(source), format, level: 'balanced', ...more }, sink)
  return { bytes: sink.bytes, result, warnings }
}

export interface ExtractOptions {
  force?: boolean
  signal?: AbortSignal
  zstd?: ZstdName
}

interface Extracted {
  result: ExtractResult
  warnings: string[]
  notes: string[]
}

/** What `extract <archive> <destination>` does; an archive is a path, or bytes that come as a stream. */
export async function extractTo(destination: string, archive: string | Buffer, options: ExtractOptions = {}): Promise<Extracted> {
  const { reporter, warnings, notes } = listening()
  const { force = false, signal = new AbortController().signal, zstd = zstdName() } = options
  mkdirSync(destination, { recursive: true })
  const source: ArchiveSource =
    typeof archive === 'string'
      ? {
          name: basename(archive),
          bytes: readArchiveFile(archive, signal),
          zip: archive,
          size: statSync(archive).size,
          mtime: statSync(archive, { bigint: true }).mtimeNs,
        }
      : { name: 'the archive', bytes: inPieces(archive, 10_007) }
  const result = await extract({ pool: poolOf(zstd), zstd, reporter, signal }, { source, destination, force })
  return { result, warnings, notes }
}

export async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

export async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** Runs a Python program in `folder`. */
export function python(folder: string, program: string): string {
  return execFileSync('python3', ['-c', program], { cwd: folder, encoding: 'utf8' })
}

/** Runs a shell command in `folder` and gives its standard output. */
export function shell(folder: string, command: string, input?: Uint8Array): Buffer {
  return execFileSync('bash', ['-o', 'pipefail', '-c', command], { cwd: folder, maxBuffer: 2 ** 28, ...(input ? { input } : {}) })
}
