import { describe, expect, test } from 'vitest'
import { readTar } from '../../src/archive/tar-reader.ts'
import { tarEntry, tarOf, paxRecord } from '../helpers/tar.ts'
import { collect, inPieces } from './archives.ts'

interface Read {
  path: string
  type: string
  content: string
}

async function read(bytes: Uint8Array, piece = 777): Promise<Read[]> {
  const entries: Read[] = []
  for await (const { path, type, content } of readTar(inPieces(bytes, piece)))
    entries.push({ path, type, content: (await collect(content)).toString('latin1') })
  return entries
}

const last = tarEntry({ name: 'last', content: 'end' })
const LAST: Read = { path: 'last', type: 'file', content: 'end' }

describe('the entry after', () => {
  test.each([
    ['a folder that states a size', tarEntry({ name: 'd/', type: '5', size: 4096 }), { path: 'd/', type: 'directory' }],
    ['a symlink that states a size', tarEntry({ name: 's', type: '2', size: 1024 }), { path: 's', type: 'symlink' }],
    ['a hard link that states a size', tarEntry({ name: 'h', type: '1', size: 1024 }), { path: 'h', type: 'hardlink' }],
    ['an empty pax header', tarEntry({ name: 'x', type: 'x' }), undefined],
    ['an old folder', tarEntry({ name: 'old/', type: '\0' }), { path: 'old/', type: 'directory' }],
    ['a type that nobody knows', tarEntry({ name: 'u', type: '?', content: 'unknown' }), { path: 'u', type: 'file', content: 'unknown' }],
    ['a single block of zeros', Buffer.alloc(512), undefined],
  ])('%s is read', async (_what, bytes, entry) => {
    expect(await read(tarOf(bytes, last))).toEqual([...(entry ? [{ content: '', ...entry }] : []), LAST])
  })
})

test('names that are not UTF-8 stay different, in pax headers too', async () => {
  const pax = (name: string): Buffer => tarEntry({ name: 'x', type: 'x', content: paxRecord('path', Buffer.from(name, 'latin1')) })
  const bytes = tarOf(pax('caf\xe8'), tarEntry({ name: 'a', content: '1' }), pax('caf\xe9'), tarEntry({ name: 'b', content: '2' }))
  expect((await read(bytes)).map(({ path }) => path)).toEqual(['caf\udce8', 'caf\udce9'])
})

test('a global header counts for all entries, one of their own before it', async () => {
  const time = tarEntry({ name: 'g', type: 'g', content: paxRecord('mtime', '7.5') })
  const own = tarEntry({ name: 'x', type: 'x', content: paxRecord('mtime', '8') })
  const times: (bigint | undefined)[] = []
  for await (const { mtime } of readTar(inPieces(tarOf(time, last, own, last, last), 512))) times.push(mtime)
  expect(times).toEqual([7_500_000_000n, 8_000_000_000n, 7_500_000_000n])
})

test('an entry whose headers are too long to be read is left out, and the next one is read', async () => {
  for (const type of ['L', 'K', 'x']) {
    const paths: string[] = []
    const bytes = tarOf(tarEntry({ name: 'x', type, content: 'k'.repeat(9 << 20) }), tarEntry({ name: 'cut', content: 'text' }), last)
    const read = async (): Promise<void> => {
      for await (const { path, error } of readTar(inPieces(bytes, 1 << 20))) paths.push(`${path}: ${error?.message ?? 'read'}`)
    }
    await expect(read()).rejects.toThrow('absurdly long')
    expect(paths).toEqual(['cut: its long name or pax header is too long to be read', 'last: read'])
  }
})

test('what follows the end mark is passed over', async () => {
  expect(await read(Buffer.concat([tarOf(last), Buffer.from('no tar header'.repeat(100))]))).toEqual([LAST])
})

test('a malformed pax header is damage, and what stands before the fault counts, as in GNU tar', async () => {
  const good = paxRecord('path', 'long').toString()
  const cases: [records: string, name: string][] = [
    ['zz path=a\n', 'short'],
    ['-9 path=a\n', 'short'],
    ['+9 path=a\n', 'short'],
    ['0 path=a\n', 'short'],
    ['5 path=a\n', 'short'],
    ['99 path=a\n', 'short'],
    ['99999999999999999999999999 path=a\n', 'short'],
    ['9path=aa\n', 'short'],
    ['9 pathab\n', 'short'],
    ['9 path=aX', 'short'],
    [`${good}junk\n`, 'long'],
    [`${good}${paxRecord('mtime', 'abc').toString()}`, 'long'],
  ]
  for (const [records, name] of cases) {
    const paths: string[] = []
    const bytes = tarOf(tarEntry({ name: 'x', type: 'x', content: records }), tarEntry({ name: 'short', content: 'text' }), last)
    const reading = (async (): Promise<void> => {
      for await (const { path } of readTar(inPieces(bytes, 777))) paths.push(path)
    })()
    await expect(reading, records).rejects.toThrow('a pax header in it is damaged')
    expect(paths, records).toEqual([name, 'last'])
  }
  // the rest of a header may be zeros
  expect((await read(tarOf(tarEntry({ name: 'x', type: 'x', content: `${good}\0\0` }), last))).map(({ path }) => path)).toEqual(['long'])
})
