import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { CODEC_ZSTD, decodePart } from '../../src/compression/codecs.ts'
import { encodeWhole } from '../../src/compression/encode-whole.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { CODECS, csvLike, KIB, MIB } from './data.ts'

/** Real text and programs: docs of this project, and the compiler of TypeScript. */
const docs = Buffer.concat(
  ['commands', 'errors', 'format', 'json-output'].map(name => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url))),
)
const compiler = readFileSync(createRequire(import.meta.url).resolve('typescript')).subarray(0, 2 * MIB)

describe.each(CODECS)('bytes in one (%s)', name => {
  it('are compressed at a higher level where they are text, also if they are few', async () => {
    const zstd = await loadZstd(name)
    for (const text of [docs.subarray(0, 180 * KIB), docs, compiler]) {
      const { codec, bytes: stored } = encodeWhole(text, 'balanced', zstd)
      expect(stored.length).toBeLessThan(0.97 * zstd.compress(text, 3).length)
      expect(equalBytes(decodePart({ codec, storedLength: stored.length, plainLength: text.length }, stored, zstd), text)).toBe(true)
    }
  })

  it('are compressed at level 1 where that is smaller', async () => {
    const zstd = await loadZstd(name)
    const table = csvLike(2, MIB)
    const [fast, balanced] = [1, 3].map(level => zstd.compress(table, level).length) as [number, number]
    expect(fast).toBeLessThan(0.98 * balanced)
    expect(encodeWhole(table, 'balanced', zstd)).toMatchObject({ codec: CODEC_ZSTD, bytes: { length: fast } })
  })

  it('are not compressed at level 1 where only the middle is smaller by it', async () => {
    const zstd = await loadZstd(name)
    const rows = csvLike(3, 500 * KIB)
    // what lies around the middle repeats, too far away for level 1
    const noise = seededNoise(4, 90 * KIB)
    const pieces = Array.from({ length: 60 }, (_, i) => noise.subarray(((i * 37) % 60) * 1500, ((i * 37) % 60) * 1500 + 40))
    const around = Buffer.concat(pieces.flatMap((piece, i) => [piece, csvLike(10 + i, 4000)]))
    const plain = Buffer.concat([around, rows, around.subarray(7)])
    const [fast, balanced] = [1, 3].map(level => zstd.compress(plain, level).length) as [number, number]
    expect(balanced).toBeLessThan(fast)
    expect(encodeWhole(plain, 'balanced', zstd).bytes.length).toBe(balanced)
  })
})
