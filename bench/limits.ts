import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Chunker } from '../src/chunking/chunker.ts'
import { loadZstd } from '../src/compression/load-zstd.ts'
import { hasNativeZstd } from '../src/compression/zstd/native-zstd.ts'
import { incompressible } from './seeded.ts'
import { PLAIN_CHUNKS } from '../src/util/chunk-keys.ts'

const SAMPLE_BYTES = 64 * 1024 * 1024
const CHUNK_BYTES = 64 * 1024
const BLOCK_BYTES = 2 * 1024 * 1024
const DISK_BYTES = 256 * 1024 * 1024
/** The fastest run counts: a limit must not depend on what else the machine did. */
const REPEATS = 3

export interface Limit {
  title: string
  /** MB/s. */
  rate: number
}

/** The rates that one core, and the disk of `work`, can reach with the files of `folder`. */
export async function measureLimits(folder: string, work: string): Promise<Limit[]> {
  const sample = sampleOf(folder)
  const chunks = pieces(sample, CHUNK_BYTES)
  const blocks = pieces(sample, BLOCK_BYTES)
  const limits: Limit[] = [
    { title: 'SHA-256 of chunks', rate: fastest(sample.length, () => chunks.forEach(hash)) },
    { title: 'finding cuts', rate: fastest(sample.length, () => cut(new Chunker(PLAIN_CHUNKS), chunks)) },
  ]
  for (const name of hasNativeZstd() ? (['native', 'portable'] as const) : (['portable'] as const)) {
    const zstd = await loadZstd(name)
    let packed: Uint8Array[] = []
    limits.push({ title: `zstd -3, ${name}`, rate: fastest(sample.length, () => (packed = blocks.map(block => zstd.compress(block, 3)))) })
    const unpack = (): void => packed.forEach((bytes, i) => zstd.decompress(bytes, blocks[i]!.length))
    limits.push({ title: `the same back, ${name}`, rate: fastest(sample.length, unpack) })
  }
  const written = join(work, 'limits.bin')
  const noise = incompressible('limits')(BLOCK_BYTES)
  limits.push({ title: 'writing to the disk, with a sync', rate: fastest(DISK_BYTES, () => write(written, noise)) })
  limits.push({ title: 'reading it back from the cache', rate: fastest(DISK_BYTES, () => readFileSync(written)) })
  rmSync(written)
  return limits
}

const hash = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

function cut(chunker: Chunker, parts: readonly Uint8Array[]): void {
  for (const part of parts) {
    chunker.buffer().set(part)
    chunker.filled(part.length, false)
  }
}

function write(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'w')
  for (let done = 0; done < DISK_BYTES; done += bytes.length) writeSync(file, bytes)
  fsyncSync(file)
  closeSync(file)
}

/** The first bytes of all files: the same share of each, so that all fit. */
function sampleOf(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const contents = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name)))
  const total = contents.reduce((sum, { length }) => sum + length, 0)
  const share = Math.min(1, SAMPLE_BYTES / total)
  return Buffer.concat(contents.map(bytes => bytes.subarray(0, Math.ceil(bytes.length * share))))
}

function pieces(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) => bytes.subarray(i * length, (i + 1) * length))
}

/** MB/s. */
function fastest(bytes: number, run: () => unknown): number {
  const times = Array.from({ length: REPEATS }, () => {
    const from = performance.now()
    run()
    return performance.now() - from
  })
  return bytes / 1e3 / Math.min(...times)
}
