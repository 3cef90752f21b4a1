import { describe, expect, it } from 'vitest'
import { decompressZstd } from '../../src/archive/zstd-reader.ts'
import { compressZstd } from '../../src/archive/zstd-writer.ts'
import type { ZstdName } from '../../src/compression/load-zstd.ts'
import { AppError } from '../../src/util/errors.ts'
import { csvLike } from '../compression/data.ts'
import { rejection } from '../helpers/failures.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { CODECS, collect, inPieces, poolOf, shell } from './archives.ts'

const MiB = 2 ** 20
const HERE = process.cwd()

const compressed = (plain: Uint8Array, codec: ZstdName = CODECS[0]!, piece = 100_003): Promise<Buffer> =>
  collect(compressZstd(inPieces(plain, piece), poolOf(codec), 'balanced'))
const decompressed = (stored: Uint8Array, codec: ZstdName = CODECS[0]!, piece = 65_537): Promise<Buffer> =>
  collect(decompressZstd(inPieces(stored, piece), poolOf(codec), codec))

/** Text, noise, zeros and text again: several frames of every kind, one of them all noise. */
const MIXED = Buffer.concat([seededText(1, 5 * MiB), seededNoise(2, 6 * MiB), Buffer.alloc(3 * MiB), seededText(3, MiB + 17)])

describe.each(CODECS)('zstd frames with the %s codec', codec => {
  it('give the same bytes back, in whatever pieces they come', async () => {
    for (const length of [1, 1000, 4 * MiB - 1, 4 * MiB, 4 * MiB + 1]) {
      const plain = MIXED.subarray(0, length)
      expect((await decompressed(await compressed(plain, codec), codec)).equals(plain), `${length}`).toBe(true)
    }
    const stored = await compressed(MIXED, codec)
    expect((await decompressed(stored, codec)).equals(MIXED)).toBe(true)
    expect((await decompressed(stored, codec, 7)).equals(MIXED)).toBe(true)
  })

  it('are the same for the same bytes, however these arrive', async () => {
    expect((await compressed(MIXED, codec, 999_983)).equals(await compressed(MIXED, codec))).toBe(true)
  })

  it('are read by the zstd command, checksums and all', async () => {
    const stored = await compressed(MIXED, codec)
    expect(shell(HERE, 'zstd -dc', stored).equals(MIXED)).toBe(true)
    stored[stored.length - 1]! ^= 1
    expect(() => shell(HERE, 'zstd -dcq 2>/dev/null', stored)).toThrow()
  })

  it('are found damaged wherever a bit is flipped', async () => {
    const plain = Buffer.concat([seededText(5, 90_000), seededNoise(6, 4 * MiB)])
    const stored = await compressed(plain, codec)
    const places = Array.from({ length: 60 }, (_, i) => Math.floor(((i + 0.5) * stored.length) / 60)).concat([
      0,
      4,
      5,
      9,
      stored.length - 1,
    ])
    let found = 0
    for (const at of places) {
      const damaged = Buffer.from(stored)
      damaged[at]! ^= 0x10
      const outcome = await decompressed(damaged, codec).catch((error: unknown) => error)
      // some bits of a header don't matter, such as a longer window
      if (outcome instanceof Buffer) expect(outcome.equals(plain), `byte ${at}`).toBe(true)
      else expect((outcome as AppError).code, `byte ${at}`).toMatch(/^(corrupt|unsupported)$/)
      if (!(outcome instanceof Buffer)) found++
    }
    expect(found).toBeGreaterThanOrEqual(places.length - 4)
  })

  it('are found cut off wherever they are cut within a frame', async () => {
    const stored = await compressed(seededText(7, 300_000), codec)
    for (const length of [1, 3, 4, 5, 8, 20, stored.length >> 1, stored.length - 1])
      expect((await rejection(decompressed(stored.subarray(0, length), codec))).code).toBe('corrupt')
  })

  it.each([
    ['of unknown size', 'zstd -q -3'],
    ['with a checksum', 'zstd -q -3 --check'],
    ['without a checksum', 'zstd -q -3 --no-check'],
    ['with the window of level 19', 'zstd -q -3 --long=23'],
    ['with a window of 32 MiB', 'zstd -q -1 --long=25'],
    ['made by several threads', 'zstd -q -3 -T2'],
  ])('of other programs are read: one frame %s', async (_, command) => {
    const plain = Buffer.concat([MIXED.subarray(3 * MiB, 7 * MiB), MIXED.subarray(0, 2 * MiB), MIXED.subarray(3 * MiB, 7 * MiB)])
    const stored = shell(HERE, command, plain)
    expect((await decompressed(stored, codec)).equals(plain)).toBe(true)
    const cut = await rejection(decompressed(stored.subarray(0, stored.length - 1), codec))
    expect(cut.code).toBe('corrupt')
    if (command.includes('--no-check')) return
    stored[stored.length - 2]! ^= 1
    expect((await rejection(decompressed(stored, codec))).code).toBe('corrupt')
  })

  it('may be empty, skippable, and of different programs in one file', async () => {
    const text = seededText(8, 400_000)
    const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5])
    const empty = shell(HERE, 'zstd -q', Buffer.alloc(0))
    const stream = shell(HERE, 'zstd -q -1', text)
    const stored = Buffer.concat([skippable, empty, await compressed(text, codec), skippable, stream, empty, skippable])
    expect((await decompressed(stored, codec, 11)).equals(Buffer.concat([text, text]))).toBe(true)
    expect((await rejection(decompressed(skippable.subarray(0, 12), codec))).code).toBe('corrupt')
  })

  it('that need a dictionary are refused', async () => {
    const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 3, 0x19, 0, 0, 1, 2, 3])
    expect(await rejection(decompressed(header, codec))).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('dictionary') as string,
    })
  })

  it('with a longer window than can be decoded are refused before memory is taken', async () => {
    const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0])
    expect(await rejection(decompressed(header, codec))).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('window of 2048 MiB') as string,
      hint: expect.stringContaining('zstd -d --long=31') as string,
    })
  })

  it('never hold more than they state', async () => {
    const [small, long] = [seededText(9, 10_000), seededText(10, 5 * MiB)]
    for (const plain of [small, long]) {
      const stored = shell(HERE, `zstd -q -3 --no-check --stream-size=${plain.length}`, plain)
      const flag = stored[4]! >> 6
      const sizeAt = 5 + ((stored[4]! >> 5) & 1 ? 0 : 1)
      expect(flag).toBeGreaterThan(0)
      stored[sizeAt]! ^= 1
      expect((await rejection(decompressed(stored, codec))).code).toBe('corrupt')
    }
  })
})

it.each(CODECS)('frames of compressible bytes are compressed, not merely wrapped, columns of numbers too (%s)', async codec => {
  for (const plain of [seededText(11, 5 * MiB), csvLike(12, 5 * MiB)]) {
    const theirs = shell(HERE, 'zstd -q -3', plain).length
    expect((await compressed(plain, codec)).length).toBeLessThan(1.03 * theirs)
  }
})

it('tiny blocks with a long window, each of which moves the window, are decoded or refused in a moment', { timeout: 20_000 }, async () => {
  const [header, block, last] = [
    [0x28, 0xb5, 0x2f, 0xfd, 0, 0x78],
    [8, 0, 0, 0x78],
    [9, 0, 0, 0x78],
  ]
  const stored = Uint8Array.from([...header, ...Array.from({ length: 30_000 }, () => block).flat(), ...last])
  for (const codec of CODECS) {
    const begun = performance.now()
    const outcome = await decompressed(stored, codec).catch((error: unknown) => error)
    if (outcome instanceof Buffer) expect(outcome.equals(Buffer.alloc(30_001, 'x'))).toBe(true)
    else expect(outcome).toMatchObject({ code: 'unsupported' })
    // on a quiet machine it took 27 s
    expect(performance.now() - begun).toBeLessThan(5000)
  }
})

it(
  'frames of few bytes with a long window, each of which would have the window for itself, are decoded or refused in a moment',
  { timeout: 60_000 },
  async () => {
    const header = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x78]
    // one block of one x, and twelve of them
    const frames = [1, 12].map(blocks => [
      ...header,
      ...Array.from({ length: blocks }, (_, i) => [i === blocks - 1 ? 9 : 8, 0, 0, 0x78]).flat(),
    ])
    for (const [i, frame] of frames.entries()) {
      const stored = Buffer.concat(Array.from({ length: 3000 }, () => Uint8Array.from(frame)))
      for (const codec of CODECS) {
        const begun = performance.now()
        const outcome = await decompressed(stored, codec).catch((error: unknown) => error)
        if (outcome instanceof Buffer) expect(outcome.equals(Buffer.alloc(3000 * [1, 12][i]!, 'x'))).toBe(true)
        else expect(outcome).toMatchObject({ code: 'unsupported' })
        expect(performance.now() - begun).toBeLessThan(10_000)
      }
    }
  },
)

it.each(CODECS)('small frames of another program, one behind the other, as cat makes them (%s)', async codec => {
  const texts = Array.from({ length: 40 }, (_, i) => seededText(i, 1 + i * i * 37))
  // from standard input: no size in the header, and the window of the level
  const stored = Buffer.concat(texts.flatMap(text => ['-1', '-19', '-3 --long=25'].map(level => shell(HERE, `zstd -q ${level}`, text))))
  expect((await decompressed(stored, codec)).equals(Buffer.concat(texts.flatMap(text => [text, text, text])))).toBe(true)
})
