import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newContainer } from '../../src/archive/container.ts'
import { decompressXz } from '../../src/archive/xz-reader.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { collect, extractTo, inPieces, shell } from './archives.ts'

/** Text, noise, long repeats near and far, and runs: every kind of symbol of LZMA. */
const MIXED = Buffer.concat([
  Buffer.from(seededText(1, 400_000)),
  seededNoise(2, 150_000),
  Buffer.alloc(70_000, 7),
  Buffer.from(seededText(1, 300_000)),
  Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i % 4 === 0 ? i >> 2 : i >> 10))),
])

/** What Python's lzma makes of `plain`: `how` are arguments of its compress. */
function packed(plain: Uint8Array, how = ''): Buffer {
  const program = `import lzma,sys; sys.stdout.buffer.write(lzma.compress(sys.stdin.buffer.read()${how === '' ? '' : `, ${how}`}))`
  return execFileSync('python3', ['-c', program], { input: plain, maxBuffer: 2 ** 28 })
}

const lzma2 = (fields: string): string => `format=lzma.FORMAT_XZ, filters=[{'id': lzma.FILTER_LZMA2, ${fields}}]`

const unpacked = (stored: Uint8Array, container = newContainer(), piece = 10_007): Promise<Buffer> =>
  collect(decompressXz(inPieces(stored, piece), container))

/** All that is given before an error, and the error. */
async function untilError(stored: Uint8Array): Promise<{ plain: Buffer; said: string | undefined }> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of decompressXz(inPieces(stored, 997), newContainer())) pieces.push(Buffer.from(piece))
  } catch (error) {
    return { plain: Buffer.concat(pieces), said: (error as Error).message }
  }
  return { plain: Buffer.concat(pieces), said: undefined }
}

describe('an .xz file', () => {
  it.each([
    ...[0, 1, 3, 4, 6, 9].map(preset => `preset=${preset}`),
    'preset=9 | lzma.PRESET_EXTREME',
    ...['CHECK_NONE', 'CHECK_CRC32', 'CHECK_CRC64', 'CHECK_SHA256'].map(check => `check=lzma.${check}`),
    // the dictionary is smaller than the content, and ends within matches
    lzma2("'dict_size': 4096"),
    lzma2("'dict_size': 5000, 'lc': 0, 'lp': 4, 'pb': 0"),
    lzma2("'dict_size': 1 << 20, 'lc': 4, 'lp': 0, 'pb': 4"),
    lzma2("'dict_size': 100000, 'lc': 1, 'lp': 3, 'pb': 1, 'nice_len': 273"),
  ])('of Python with %s is read', async how => {
    const container = newContainer()
    expect((await unpacked(packed(MIXED, how), container)).equals(MIXED)).toBe(true)
    expect(container).toMatchObject({ frames: 1, hasMore: false })
  })

  it('of a few bytes, of none, and byte by byte', async () => {
    for (const text of ['', 'a', 'abcabcabcabcabcabc']) expect((await unpacked(packed(Buffer.from(text)))).toString()).toBe(text)
    const small = Buffer.from(seededText(3, 3000))
    expect((await unpacked(packed(small), newContainer(), 1)).equals(small)).toBe(true)
  })

  it('of several streams, with padding between and behind them', async () => {
    const [one, two] = [packed(MIXED), packed(Buffer.from('two'))]
    const whole = Buffer.concat([MIXED, Buffer.from('two')])
    for (const padding of [0, 4, 8, 512]) {
      const container = newContainer()
      expect((await unpacked(Buffer.concat([one, Buffer.alloc(padding), two, Buffer.alloc(padding)]), container)).equals(whole)).toBe(true)
      expect(container).toEqual({ frames: 2, hasMore: false })
    }
    const container = newContainer()
    expect((await unpacked(Buffer.concat([two, Buffer.from('and more')]), container)).toString()).toBe('two')
    expect(container).toEqual({ frames: 1, hasMore: true })
  })

  it('that is cut anywhere gives the beginning, and says so', async () => {
    const plain = Buffer.concat([Buffer.from(seededText(4, 4000)), seededNoise(5, 300)])
    const stored = packed(plain)
    let most = 0
    for (let length = 1; length < stored.length; length += length < 60 || length > stored.length - 60 ? 1 : 37) {
      const { plain: got, said } = await untilError(stored.subarray(0, length))
      expect(said, String(length)).toMatch(/cut off/)
      expect(got.equals(plain.subarray(0, got.length))).toBe(true)
      most = Math.max(most, got.length)
    }
    expect(most).toBeGreaterThan(2000)
  })

  it('with any byte changed is never taken for whole', async () => {
    const plain = Buffer.from(seededText(6, 700))
    for (const check of ['CRC32', 'CRC64', 'SHA256']) {
      const stored = packed(plain, `check=lzma.CHECK_${check}`)
      for (let at = 0; at < stored.length; at++)
        for (const bit of [1, 0x80]) {
          const wrong = Buffer.from(stored)
          wrong[at]! ^= bit
          expect((await untilError(wrong)).said, `${check} ${at}`).toBeDefined()
        }
    }
  })

  it.each([
    ["format=lzma.FORMAT_XZ, filters=[{'id': lzma.FILTER_X86}, {'id': lzma.FILTER_LZMA2}]", /filter BCJ for x86/],
    ["format=lzma.FORMAT_XZ, filters=[{'id': lzma.FILTER_DELTA, 'dist': 4}, {'id': lzma.FILTER_LZMA2}]", /filter delta/],
    [lzma2("'dict_size': 100 << 20, 'mode': lzma.MODE_FAST, 'mf': lzma.MF_HC3"), /needs a dictionary of \d+ MB, more than 67.1 MB/],
  ])('with %s is refused', async (how, why) => {
    await expect(unpacked(packed(Buffer.from('plain'), how))).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(why) as string,
    })
  })

  it('of a tar and of one file is extracted', () =>
    withFolder(async folder => {
      makeTree(join(folder, 'd'), { a: seededText(7, 50_000), 'sub/b': seededNoise(8, 30_000) })
      writeFileSync(join(folder, 'x.tar.xz'), packed(shell(folder, 'tar -c d')))
      mkdirSync(join(folder, 'out'))
      const { result, warnings } = await extractTo(join(folder, 'out'), join(folder, 'x.tar.xz'))
      expect(result).toMatchObject({ format: 'tar.xz', files: 2, isComplete: true })
      expect(warnings).toEqual([])
      expect(shell(folder, 'diff -r d out/d').toString()).toBe('')
      writeFileSync(join(folder, 'a.csv.xz'), packed(readFileSync(join(folder, 'd/a'))))
      expect((await extractTo(join(folder, 'single'), join(folder, 'a.csv.xz'))).result).toMatchObject({ format: 'xz', files: 1 })
      expect(readdirSync(join(folder, 'single'))).toEqual(['a.csv'])
      expect(readFileSync(join(folder, 'single/a.csv')).equals(readFileSync(join(folder, 'd/a')))).toBe(true)
    }))
})
