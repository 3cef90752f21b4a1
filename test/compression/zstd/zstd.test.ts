import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MAX_BLOCK_BYTES } from '../../../src/compression/limits.ts'
import type { ZstdCodec } from '../../../src/compression/load-zstd.ts'
import { loadZstd, zstdName } from '../../../src/compression/load-zstd.ts'
import { parseFrameHeader } from '../../../src/compression/zstd/frame.ts'
import { PortableZstd } from '../../../src/compression/zstd/portable/portable-zstd.ts'
import type { WasmZstd } from '../../../src/compression/zstd/portable/wasm-zstd.ts'
import { instantiateWasmZstd } from '../../../src/compression/zstd/portable/wasm-zstd.ts'
import { equalBytes } from '../../../src/util/bytes.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { sha256Hex } from '../../../src/util/hash.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { CODECS, flipBit, floatLike, KIB, MIB, textLike } from '../data.ts'

const SIZES = [1, 2, 100, 255, 256, 300, 4 * KIB, 65_791, 65_792, 128 * KIB, 128 * KIB + 1, MIB, 2 * MIB, 4 * MIB]
const LEVELS = [1, 3, 6, 7, 8, 19]
const MAKERS = { text: textLike, floats: floatLike, random: seededNoise }
const PLAINS = Object.entries(MAKERS).map(([kind, make]) => ({ kind, bytes: make(7, 4 * MIB) }))

/**
 * Everything of a codec's levels that a test can afford: all sizes at the cheap levels, the largest ones once at the
 * dear ones.
 */
function* cases(codec: ZstdCodec): Generator<{ level: number; plain: Uint8Array; what: string }> {
  for (const level of LEVELS) {
    if (level > codec.levels.max) continue
    for (const { kind, bytes } of PLAINS) {
      for (const size of SIZES) {
        const dear = level > 3 && size > 70_000 && (kind !== 'text' || size !== MAX_BLOCK_BYTES)
        if (!dear) yield { level, plain: bytes.subarray(0, size), what: `${kind} ${size} level ${level}` }
      }
    }
  }
}

describe('the choice of a codec', () => {
  it('takes the native codec where there is one', async () => {
    const [best] = CODECS
    expect(zstdName()).toBe(best)
    expect((await loadZstd()).name).toBe(best)
    expect((await loadZstd('portable')).name).toBe('portable')
    expect(zstdName('portable')).toBe('portable')
  })

  it('has a native codec from Node 22.15 on, and says so where it has none', async () => {
    const [major, minor] = process.versions.node.split('.').map(Number)
    const expected = major! > 23 || (major === 22 && minor! >= 15) || (major === 23 && minor! >= 8)
    const outcome = await loadZstd('native').then(
      codec => codec.name,
      (error: unknown) => (isAppError(error, 'unsupported') ? 'unsupported' : error),
    )
    expect(outcome).toBe(expected ? 'native' : 'unsupported')
  })
})

describe.each(CODECS)('%s zstd', name => {
  it('writes frames of every size and level that each codec of this machine reads, with their size in the header and no checksum', async () => {
    const codec = await loadZstd(name)
    const readers = await Promise.all(CODECS.map(reader => loadZstd(reader)))
    for (const { level, plain, what } of cases(codec)) {
      const stored = codec.compress(plain, level)
      expect(parseFrameHeader(stored), what).toMatchObject({ contentSize: plain.length, hasChecksum: false, dictionaryId: 0 })
      for (const reader of readers) {
        expect(equalBytes(reader.decompress(stored, plain.length), plain), `${what} read by ${reader.name}`).toBe(true)
      }
    }
  })

  it('is read by the zstd command', async () => {
    const codec = await loadZstd(name)
    for (const level of LEVELS) {
      if (level > codec.levels.max) continue
      const plain = PLAINS[0]!.bytes.subarray(0, 300 * KIB)
      const back = execFileSync('zstd', ['-dc'], { input: codec.compress(plain, level), maxBuffer: 2 * MIB })
      expect(equalBytes(back, plain)).toBe(true)
    }
  })

  it('refuses what it cannot do before it tries', async () => {
    const codec = await loadZstd(name)
    expect(() => codec.compress(new Uint8Array(0), 3)).toThrow(RangeError)
    expect(() => codec.compress(new Uint8Array(MAX_BLOCK_BYTES + 1), 1)).toThrow(RangeError)
    expect(() => codec.compress(new Uint8Array(MAX_BLOCK_BYTES + 1), codec.levels.max)).toThrow(RangeError)
    expect(() => codec.compress(new Uint8Array(10), codec.levels.max + 1)).toThrow(RangeError)
    expect(() => codec.compress(new Uint8Array(10), 0)).toThrow(RangeError)
  })

  it('refuses truncated, concatenated, mislabelled and overlong frames', async () => {
    const codec = await loadZstd(name)
    const plain = textLike(2, 5000)
    const frame = codec.compress(plain, 3)
    const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))
    for (const [stored, length] of [
      [frame.subarray(0, -1), 5000],
      [frame.subarray(0, 3), 5000],
      [new Uint8Array(0), 5000],
      [join(frame, frame), 10_000],
      [join(frame, frame), 5000],
      [join(frame, Uint8Array.of(0)), 5000],
      [frame, 4999],
      [frame, 5001],
    ] as const) {
      expect(() => codec.decompress(stored, length)).toThrow(expect.objectContaining({ code: 'corrupt' }))
    }
    expect(equalBytes(codec.decompress(frame, 5000), plain)).toBe(true)
  })

  it('gives corrupt or as many bytes as stated for damaged frames, and works on', async () => {
    const codec = await loadZstd(name)
    const plains = [textLike(3, 40_000), floatLike(3, 40_000), new Uint8Array(40_000)]
    const frames = plains.map(plain => codec.compress(plain, 3))
    fc.assert(
      fc.property(fc.nat(2), fc.nat(), fc.nat(), (which, first, second) => {
        const frame = frames[which]!
        const damaged = flipBit(flipBit(frame, first % (8 * frame.length)), second % (8 * frame.length))
        try {
          const back = codec.decompress(damaged, 40_000)
          expect(back.length).toBe(40_000)
          expect(back.buffer.byteLength).toBeLessThanOrEqual(40_064)
        } catch (error) {
          if (!isAppError(error, 'corrupt')) throw error
        }
        expect(equalBytes(codec.decompress(frame, 40_000), plains[which]!)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('reads the pinned frames of every writer', async () => {
    const codec = await loadZstd(name)
    const text = readFileSync(new URL('../fixtures/frames.json', import.meta.url), 'utf8')
    const pinned = JSON.parse(text) as { by: string; plain: string; plainLength: number; sha256: string; frame: string }[]
    expect(new Set(pinned.map(({ by }) => by.split(' ')[0]))).toEqual(new Set(['native', 'portable', 'zstd']))
    for (const { by, plain, plainLength, sha256, frame } of pinned) {
      const back = codec.decompress(new Uint8Array(Buffer.from(frame, 'base64')), plainLength)
      expect(sha256Hex(back), `${plain} by ${by}`).toBe(sha256)
    }
  })
})

describe('a portable codec that breaks down', () => {
  const lines: unknown[] = []
  beforeEach(() => {
    lines.length = 0
    const record = (line: unknown): true => {
      lines.push(line)
      return true
    }
    for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, 'write').mockImplementation(record)
    for (const method of ['log', 'warn', 'error', 'info'] as const) vi.spyOn(console, method).mockImplementation(record)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** Level 19 needs more than the 16 MiB heap, whatever `PortableZstd` allows. */
  function breakDown(wasm: WasmZstd): void {
    expect(() => wasm.compress(seededNoise(1, MIB), 19, Infinity)).toThrow(expect.objectContaining({ code: 'io' }))
  }

  it('says so without printing', async () => {
    const wasm = await instantiateWasmZstd()
    expect(wasm.broken).toBe(false)
    breakDown(wasm)
    expect(wasm.broken).toBe(true)
    expect(lines).toEqual([])
  })

  it('is replaced when it is needed next', async () => {
    const instances: WasmZstd[] = []
    const codec = new PortableZstd(async () => {
      const wasm = await instantiateWasmZstd()
      instances.push(wasm)
      return wasm
    })
    await Promise.all([codec.ready(), codec.ready()])
    expect(instances.length).toBe(1)
    const plain = textLike(4, 1000)
    const frame = codec.compress(plain, 3)

    breakDown(instances[0]!)
    expect(() => codec.compress(plain, 3)).toThrow(expect.objectContaining({ code: 'io' }))
    await Promise.all([codec.ready(), codec.ready()])
    expect(instances.length).toBe(2)
    expect(equalBytes(codec.decompress(frame, 1000), plain)).toBe(true)
  })

  it('is tried again after it could not be loaded', async () => {
    let attempts = 0
    const codec = new PortableZstd(async () => {
      if (++attempts === 1) throw new Error('out of memory')
      return instantiateWasmZstd()
    })
    await expect(codec.ready()).rejects.toThrow('out of memory')
    await codec.ready()
    expect(codec.compress(textLike(5, 1000), 3).length).toBeLessThan(1000)
  })

  it('calls the frame corrupt that broke its decoder', async () => {
    const frame = (await loadZstd('portable')).compress(textLike(6, 1000), 3)
    const broken = { broken: false, compress: () => null, decompress: (): never => { broken.broken = true; throw new Error('trap') } } // prettier-ignore
    const codec = await new PortableZstd(async () => broken).ready()
    expect(() => codec.decompress(frame, 1000)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  })

  it('has no room for long frames beside long blocks at high levels: such a block is compressed at level 3', async () => {
    const codec = await loadZstd('portable')
    const noise = PLAINS[2]!.bytes
    for (const level of [6, codec.levels.high, codec.levels.max]) {
      expect(equalBytes(codec.compress(noise, level), codec.compress(noise, 3)), `level ${level}`).toBe(true)
      expect(codec.compress(PLAINS[0]!.bytes, level).length).toBeLessThan(codec.compress(PLAINS[0]!.bytes, 3).length)
    }
  })

  it('does not run out of memory over many blocks of changing size', async () => {
    const codec = await loadZstd('portable')
    fc.assert(
      fc.property(fc.integer({ min: 1, max: codec.levels.max }), fc.integer({ min: 1, max: 4 * MIB }), fc.nat(2), (level, size, which) => {
        const plain = PLAINS[which]!.bytes.subarray(0, Math.min(size, level > 3 && which === 1 ? 300 * KIB : size))
        expect(codec.decompress(codec.compress(plain, level), plain.length).length).toBe(plain.length)
      }),
      { numRuns: 60 },
    )
    expect(lines).toEqual([])
  })
})
