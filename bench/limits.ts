import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { partsOf } from './program-parts.mjs'
import { incompressible } from './seeded.mjs'

const SAMPLE_BYTES = 64 * 1024 * 1024
const CHUNK_BYTES = 64 * 1024
const BLOCK_BYTES = 2 * 1024 * 1024
const DISK_BYTES = 256 * 1024 * 1024
/** The fastest counts: a limit is what can be done, not what was in the way. */
const REPEATS = 3

/** What one core, and the disk of `work`, can do with the files of `folder`: `{what, rate}` in MB/s. */
export async function measureLimits(folder, work) {
  const { Chunker, loadZstd, hasNativeZstd } = await partsOf({
    Chunker: 'src/chunking/chunker.ts',
    loadZstd: 'src/compression/zstd.ts',
    hasNativeZstd: 'src/compression/zstd-native.ts',
  })
  const sample = sampleOf(folder)
  const chunks = pieces(sample, CHUNK_BYTES)
  const blocks = pieces(sample, BLOCK_BYTES)
  const limits = [
    { what: 'SHA-256 of chunks', rate: fastest(sample.length, () => chunks.forEach(hash)) },
    { what: 'finding cuts', rate: fastest(sample.length, () => cut(new Chunker(), chunks)) },
  ]
  for (const name of hasNativeZstd() ? ['native', 'portable'] : ['portable']) {
    const zstd = await loadZstd(name)
    let packed = []
    limits.push({ what: `zstd -3, ${name}`, rate: fastest(sample.length, () => (packed = blocks.map(block => zstd.compress(block, 3)))) })
    const unpack = () => packed.forEach((bytes, i) => zstd.decompress(bytes, blocks[i].length))
    limits.push({ what: `the same back, ${name}`, rate: fastest(sample.length, unpack) })
  }
  const written = join(work, 'limits.bin')
  const noise = incompressible('limits')(BLOCK_BYTES)
  limits.push({ what: 'writing to the disk, with a sync', rate: fastest(DISK_BYTES, () => write(written, noise)) })
  limits.push({ what: 'reading it back from the cache', rate: fastest(DISK_BYTES, () => readFileSync(written)) })
  rmSync(written)
  return limits
}

const hash = bytes => createHash('sha256').update(bytes).digest()

function cut(chunker, parts) {
  for (const part of parts) {
    chunker.buffer().set(part)
    chunker.filled(part.length, false)
  }
}

function write(path, bytes) {
  const file = openSync(path, 'w')
  for (let done = 0; done < DISK_BYTES; done += bytes.length) writeSync(file, bytes)
  fsyncSync(file)
  closeSync(file)
}

/** The first bytes of all files, as large a share of each as fits. */
function sampleOf(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const contents = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name)))
  const total = contents.reduce((sum, { length }) => sum + length, 0)
  const share = Math.min(1, SAMPLE_BYTES / total)
  return Buffer.concat(contents.map(bytes => bytes.subarray(0, Math.ceil(bytes.length * share))))
}

function pieces(bytes, length) {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) => bytes.subarray(i * length, (i + 1) * length))
}

/** MB/s. */
function fastest(bytes, run) {
  const times = Array.from({ length: REPEATS }, () => {
    const from = performance.now()
    run()
    return performance.now() - from
  })
  return bytes / 1e3 / Math.min(...times)
}
