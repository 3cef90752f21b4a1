import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readTar } from '../../src/archive/tar-reader.ts'
import { withFolder } from '../helpers/folders.ts'
import { paxRecord, tarEntry, tarOf } from '../helpers/tar.ts'
import { extractTo, inPieces } from './archives.ts'

const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`
const at = (offset: number, text: string): Record<number, number> =>
  Object.fromEntries([...Buffer.from(text, 'latin1')].map((byte, i) => [offset + i, byte]))

type Extent = [offset: number, length: number]

/** The form of GNU tar: four extents in the header, the others in blocks that follow. */
function old(name: string, size: number, map: Extent[], data: Buffer): Buffer {
  const fields = map.map(extent => extent.map(octal).join(''))
  const header = tarEntry({
    name,
    type: 'S',
    size: data.length,
    set: { ...at(386, fields.slice(0, 4).join('')), 482: fields.length > 4 ? 1 : 0, ...at(483, octal(size)), ...at(257, 'ustar  \0') },
  })
  const blocks: Buffer[] = []
  for (let i = 4; i < fields.length; i += 21) {
    const block = Buffer.alloc(512)
    block.write(fields.slice(i, i + 21).join(''), 'latin1')
    block[504] = i + 21 < fields.length ? 1 : 0
    blocks.push(block)
  }
  return Buffer.concat([header, ...blocks, padded(data)])
}

const padded = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc(-data.length & 511)])
const records = (pairs: [string, string | number][]): Buffer =>
  Buffer.concat(pairs.map(([key, value]) => paxRecord(`GNU.sparse.${key}`, String(value))))

function pax(form: string, name: string, size: number, map: Extent[], data: Buffer): Buffer {
  const x = (content: Buffer): Buffer => tarEntry({ name: 'x', type: 'x', content })
  if (form === '1.0') {
    const lines = padded(Buffer.from([map.length, ...map.flat()].map(number => `${number}\n`).join('')))
    const head = records([['major', 1], ['minor', 0], ['name', name], ['realsize', size]]) // prettier-ignore
    return Buffer.concat([x(head), tarEntry({ name: 'GNUSparseFile.0/cut', content: Buffer.concat([lines, data]) })])
  }
  const head: [string, string | number][] = [['size', size], ['numblocks', map.length]] // prettier-ignore
  if (form === '0.1') head.push(['name', name], ['map', map.flat().join(',')])
  else for (const [offset, length] of map) head.push(['offset', offset], ['numbytes', length])
  return Buffer.concat([x(records(head)), tarEntry({ name: form === '0.0' ? name : 'GNUSparseFile.0/cut', content: data })])
}

const LAST = tarEntry({ name: 'last', content: 'end' })
const MAP: Extent[] = Array.from({ length: 30 }, (_, i) => [i * 3000 + 500, i === 29 ? 77 : 512])
const DATA = Buffer.from('d'.repeat(29 * 512 + 77))
const SIZE = 200_000
const WHOLE = Buffer.alloc(SIZE)
for (const [offset, length] of MAP) WHOLE.fill('d', offset, offset + length)
const ENDED: Extent[] = [...MAP, [SIZE, 0]]

describe('a file with holes', () => {
  test.each([
    ['old', old('s', SIZE, ENDED, DATA)],
    ['0.0', pax('0.0', 's', SIZE, ENDED, DATA)],
    ['0.1', pax('0.1', 's', SIZE, ENDED, DATA)],
    ['1.0', pax('1.0', 's', SIZE, ENDED, DATA)],
    ['1.0, without an extent at the end', pax('1.0', 's', SIZE, MAP, DATA)],
  ])('of form %s is extracted under its name, and what follows it', (_, bytes) =>
    withFolder(async folder => {
      const { result, warnings } = await extractTo(folder, tarOf(bytes, LAST))
      expect(warnings).toEqual([])
      expect(result).toMatchObject({ files: 2, bytes: DATA.length + 3 })
      expect(readFileSync(join(folder, 's')).equals(WHOLE)).toBe(true)
      expect((await extractTo(folder, tarOf(bytes, LAST))).result).toMatchObject({ files: 0, unchanged: 2 })
    }),
  )

  test.each([
    ['goes back', [[512, 512], [0, 512]]], // prettier-ignore
    ['overlaps itself', [[0, 512], [100, 512]]], // prettier-ignore
    ['leads out of the file', [[0, 512], [9000, 512]]], // prettier-ignore
    ['has more than there is', [[0, 512], [600, 1024]]], // prettier-ignore
    ['has less than there is', [[0, 512]]], // prettier-ignore
    ['is no number', [[NaN, 512], [600, 512]]], // prettier-ignore
  ] satisfies [string, Extent[]][])('is refused if its map %s; the rest is extracted', (_, map) =>
    withFolder(async folder => {
      const data = Buffer.alloc(1024, 'x')
      for (const bytes of [...['0.0', '0.1', '1.0'].map(form => pax(form, 's', 2000, map, data)), old('s', 2000, map, data)]) {
        const { result, warnings } = await extractTo(folder, tarOf(bytes, LAST), { force: true })
        expect(warnings).toEqual(['s was not extracted: the map of its holes is damaged'])
        expect(result).toMatchObject({ files: 1, refused: 1 })
      }
    }),
  )

  test('of a terabyte is refused, unless it is forced; then it takes no room', () =>
    withFolder(async folder => {
      const size = 2 ** 40
      const bytes = tarOf(pax('1.0', 'big', size, [[0, 3], [size, 0]], Buffer.from('abc')), LAST) // prettier-ignore
      const { result, warnings } = await extractTo(folder, bytes)
      expect(result).toMatchObject({ files: 1, refused: 1 })
      expect(warnings).toEqual(['big was not extracted: it has 1.10 TB, nearly all of them zeros (--force extracts it)'])
      await extractTo(folder, bytes, { force: true })
      const stats = statSync(join(folder, 'big'))
      expect(stats.size).toBe(size)
      expect(stats.blocks).toBeLessThan(1000)
    }))
})

test.each(['0.0', '0.1', '1.0'])('a map of 100,000 pieces in form %s is read', async form => {
  const map = Array.from({ length: 100_000 }, (_, i): Extent => [i * 4_000_000, 1])
  const bytes = tarOf(pax(form, 's', 4e11, map, Buffer.alloc(map.length, 'd')), LAST)
  const found: [string, number, Error | undefined][] = []
  for await (const { path, size, error } of readTar(inPieces(bytes, 1 << 20))) found.push([path, size, error])
  expect(found).toEqual([
    ['s', 4e11, undefined],
    ['last', 3, undefined],
  ])
})
