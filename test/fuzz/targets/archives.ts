import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, gzipSync } from 'node:zlib'
import { newContainer } from '../../../src/archive/container.ts'
import { DamagedEntryError, RefusedEntryError } from '../../../src/archive/entry-errors.ts'
import { extract } from '../../../src/archive/extract.ts'
import type { ArchiveEntry } from '../../../src/archive/entry.ts'
import { readTar } from '../../../src/archive/tar-reader.ts'
import { decompressXz } from '../../../src/archive/xz-reader.ts'
import { readZip } from '../../../src/archive/zip-reader.ts'
import { decompressZstd } from '../../../src/archive/zstd-reader.ts'
import { loadZstd, zstdName } from '../../../src/compression/load-zstd.ts'
import { AppError, isAppError } from '../../../src/util/errors.ts'
import { inPieces, listening, poolOf } from '../../archive/archives.ts'
import { zip } from '../../chunking/layouts/writers.ts'
import { seededText } from '../../helpers/seeded.ts'
import { paxRecord, tarEntry, tarOf } from '../../helpers/tar.ts'
import { deflatedZip } from '../../tensors/tensor-files.ts'
import { promise, settled, type Target } from '../target.ts'

const MAX_PLAIN = 1024 * 1024

/** Undefined for content that is damaged; others may be whole. */
async function lengthOf(content: AsyncIterable<Uint8Array>, most: number): Promise<number | undefined> {
  let length = 0
  try {
    for await (const piece of content) if ((length += piece.length) > most) break
    return length
  } catch (error) {
    if (error instanceof DamagedEntryError || error instanceof RefusedEntryError) return undefined
    throw error
  }
}

/** Archives that can't be read: their readers pass on the plain errors of the packages, which `extract` explains. */
async function readArchive(entries: AsyncIterable<ArchiveEntry>): Promise<void> {
  let total = 0
  try {
    for await (const { path, size, mode, target, content, error } of entries) {
      promise(typeof path === 'string' && typeof target === 'string', 'names are texts')
      promise(Number.isSafeInteger(size) && size >= 0, 'a size is a number of bytes', size)
      promise(mode === undefined || Number.isSafeInteger(mode), 'a mode is a number', mode)
      if (error !== undefined) continue
      const length = await lengthOf(content, MAX_PLAIN - total)
      if (length === undefined) continue
      total += length
      if (total > MAX_PLAIN) return
      promise(length === size, 'a file has the size that it states', { length, size })
    }
  } catch (error) {
    if (!(error instanceof Error) || error.name === 'BrokenPromise') throw error
    const isExpected = error instanceof AppError ? isAppError(error, 'corrupt', 'unsupported') : !/^(Type|Reference)Error$/.test(error.name)
    if (!isExpected) throw error
  }
}

const MEMBERS = [
  { name: 'a/b.txt', data: Buffer.from('some content, some content\n') },
  { name: 'ü', data: Buffer.from('x') },
  { name: 'dir/', data: Buffer.alloc(0) },
]

export const zipReader: Target = {
  name: 'zip',
  seeds: () => [zip(MEMBERS), zip(MEMBERS, { wide: true, comment: 'about' }), deflatedZip(MEMBERS)],
  run(input) {
    const range = (start: number, end: number): Promise<Uint8Array> => Promise.resolve(input.subarray(start, end))
    const help = { zstd: (bytes: AsyncIterable<Uint8Array>) => decompressZstd(bytes, poolOf(), zstdName()), onLonger: () => undefined }
    return readArchive(readZip({ size: input.length, range }, help))
  },
}

function tar(): Buffer {
  return tarOf(
    tarEntry({ name: 'dir', type: '5' }),
    tarEntry({ name: 'dir/a.txt', content: 'content\n' }),
    tarEntry({ name: 'link', type: '2' }),
    tarEntry({ name: 'hard', type: '1' }),
    tarEntry({
      name: 'pax',
      type: 'x',
      content: Buffer.concat([paxRecord('path', `${'long/'.repeat(30)}ü`), paxRecord('mtime', '1700000000.123456789')]),
    }),
    tarEntry({ name: 'short', content: 'x' }),
  )
}

/** Maps of holes in the form of pax 0.1, of pax 1.0 and of old GNU tar, a folder of a dump, and a header of Solaris. */
function sparseTar(): Buffer {
  const records = (map: Record<string, string>): Buffer =>
    Buffer.concat(Object.entries(map).map(([key, value]) => paxRecord(`GNU.sparse.${key}`, value)))
  const old = [...Buffer.from('00000001000\x0000000000004\0')].map((byte, i): [number, number] => [386 + i, byte])
  const size = [...Buffer.from('00000002000\0')].map((byte, i): [number, number] => [483 + i, byte])
  return tarOf(
    tarEntry({ name: 'x', type: 'x', content: records({ size: '900', name: 's', map: '10,3,500,2' }) }),
    tarEntry({ name: 'cut', content: 'abcde' }),
    tarEntry({ name: 'x', type: 'X', content: records({ major: '1', minor: '0', realsize: '900', name: 'u' }) }),
    tarEntry({ name: 'cut', content: `${'2\n10\n3\n500\n2\n'.padEnd(512, '\0')}abcde` }),
    tarEntry({ name: 'o', type: 'S', content: 'abcd', set: Object.fromEntries([...old, ...size]) }),
    tarEntry({ name: 'dump/', type: 'D', content: 'Ya\0' }),
  )
}

export const tarReader: Target = {
  name: 'tar',
  seeds: () => [tar(), sparseTar()],
  run: input => readArchive(readTar(inPieces(withChecksums(input), 700))),
}

/** Sums of headers are made right, where there is the magic number of one. */
function withChecksums(input: Uint8Array): Uint8Array {
  const bytes = Buffer.from(input)
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue
    bytes.fill(' ', at + 148, at + 156)
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0)
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
  }
  return bytes
}

async function zstdOf(plain: Uint8Array): Promise<Uint8Array> {
  const zstd = await loadZstd('portable')
  return zstd.compress(plain, zstd.levels.balanced)
}

export const zstdReader: Target = {
  name: 'zstd-stream',
  async seeds() {
    const frames = [await zstdOf(seededText(1, 300)), await zstdOf(Buffer.alloc(900, 'y'))]
    return [...frames, Buffer.concat(frames), Buffer.concat([Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2), ...frames])]
  },
  async run(input) {
    let total = 0
    const read = async (): Promise<void> => {
      for await (const piece of decompressZstd(inPieces(input, 100), poolOf(), zstdName())) if ((total += piece.length) > MAX_PLAIN) return
    }
    await settled(read(), ['corrupt', 'unsupported'])
  },
}

/** What `xz` makes of a text and of all bytes, with each of its checks. */
const XZ_SEEDS = [
  '/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4AIHAQJdADmbyfLnULjF4lzC4FuDjLczMHxXVjQP0VC8lysIdhwA1EmfOsyJQIB4xxvj2GlOTXw7DtYtsDzHMQocUv4OqGXhm5BSoM8zTw0QP3w1bIkUCJqgJV6CetNviuQn5y2Xwbn7/c4/v+iqTXxDu6C6WtDBn5EEXxeglUbdghKeFfqhwxZmSN4l8uqKxZepB7kIEkirBxVQUXNxzn598pIKnWRdzDzwUn77nugSIuiOQ9L99yUkwFcdWl1vtOu4iII8OUP0mGjy+40kAUvF8IVHZ6V7RXxA5Cv5bs+nmVCpUrOTjDDOVwf9wLpSOisQr3CU/XTT9u7UVoln47OfY7gSY2EM/AAAAJ+4mVYAAZoCiAQAAJCEjCo+MA2LAgAAAAABWVo=',
  '/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AIHAQJdADmbyfLnULjF4lzC4FuDjLczMHxXVjQP0VC8lysIdhwA1EmfOsyJQIB4xxvj2GlOTXw7DtYtsDzHMQocUv4OqGXhm5BSoM8zTw0QP3w1bIkUCJqgJV6CetNviuQn5y2Xwbn7/c4/v+iqTXxDu6C6WtDBn5EEXxeglUbdghKeFfqhwxZmSN4l8uqKxZepB7kIEkirBxVQUXNxzn598pIKnWRdzDzwUn77nugSIuiOQ9L99yUkwFcdWl1vtOu4iII8OUP0mGjy+40kAUvF8IVHZ6V7RXxA5Cv5bs+nmVCpUrOTjDDOVwf9wLpSOisQr3CU/XTT9u7UVoln47OfY7gSY2EM/AAAADQXitbj+S6cAAGeAogEAACGxh2xscRn+wIAAAAABFla',
  '/Td6WFoAAArh+wyhAgAhARYAAAB0L+Wj4AIHAQJdADmbyfLnULjF4lzC4FuDjLczMHxXVjQP0VC8lysIdhwA1EmfOsyJQIB4xxvj2GlOTXw7DtYtsDzHMQocUv4OqGXhm5BSoM8zTw0QP3w1bIkUCJqgJV6CetNviuQn5y2Xwbn7/c4/v+iqTXxDu6C6WtDBn5EEXxeglUbdghKeFfqhwxZmSN4l8uqKxZepB7kIEkirBxVQUXNxzn598pIKnWRdzDzwUn77nugSIuiOQ9L99yUkwFcdWl1vtOu4iII8OUP0mGjy+40kAUvF8IVHZ6V7RXxA5Cv5bs+nmVCpUrOTjDDOVwf9wLpSOisQr3CU/XTT9u7UVoln47OfY7gSY2EM/AAAAJyjnzHuQTuELdlSzXQQjHwtAabTJ6DXaMJSFpeU5NDMAAG2AogEAADdQeJatunfHAIAAAAAClla',
]

/** Makes the sums of the headers of the first stream and block right. */
function withHeaderSums(input: Uint8Array): Buffer {
  const bytes = Buffer.from(input)
  if (bytes.length < 20) return bytes
  bytes.writeUInt32LE(crc32(bytes.subarray(6, 8)), 8)
  const end = 12 + 4 * bytes[12]!
  if (bytes[12]! > 0 && end + 4 <= bytes.length) bytes.writeUInt32LE(crc32(bytes.subarray(12, end)), end)
  return bytes
}

export const xzReader: Target = {
  name: 'xz',
  workPerByte: 5000,
  seeds() {
    const streams = XZ_SEEDS.map(seed => Buffer.from(seed, 'base64'))
    return [...streams, Buffer.concat([streams[0]!, Buffer.alloc(8), streams[1]!])]
  },
  async run(input) {
    let total = 0
    try {
      for await (const piece of decompressXz(inPieces(withHeaderSums(input), 100), newContainer()))
        if ((total += piece.length) > MAX_PLAIN) return
    } catch (error) {
      promise(error instanceof Error && !/^(Type|Reference|Range)Error$/.test(error.name), 'an error says what is wrong', error)
      promise(!(error instanceof AppError) || isAppError(error, 'unsupported'), 'what is not read is named', error)
    }
  },
}

const SIGNAL = new AbortController().signal

/** Whole archives of any format, extracted to a folder. */
export const extractAll: Target = {
  name: 'extract',
  workPerByte: 5000,
  async seeds() {
    const plain = tar()
    return [zip(MEMBERS), deflatedZip(MEMBERS), plain, gzipSync(plain), await zstdOf(plain)]
  },
  async run(input) {
    const sandbox = mkdtempSync(join(tmpdir(), 'colab-escape-fuzz-extract-'))
    const destination = join(sandbox, 'a', 'b')
    mkdirSync(destination, { recursive: true })
    const bytes = withChecksums(input)
    const range = (start: number, end: number): Promise<Uint8Array> => Promise.resolve(bytes.subarray(start, end))
    const source = { name: 'archive.gz', bytes: inPieces(bytes, 1000), size: bytes.length, zip: { size: bytes.length, range } }
    try {
      const context = { pool: poolOf(), zstd: zstdName(), reporter: listening().reporter, signal: SIGNAL }
      await settled(extract(context, { source, destination, force: false }), ['corrupt', 'unsupported', 'denied', 'io', 'would-overwrite'])
      promise(existsSync(destination), 'the destination stays')
      promise(
        readdirSync(sandbox).join() === 'a' && readdirSync(join(sandbox, 'a')).join() === 'b',
        'nothing is written outside of the destination',
      )
    } finally {
      rmSync(sandbox, { recursive: true, force: true })
    }
  },
}
