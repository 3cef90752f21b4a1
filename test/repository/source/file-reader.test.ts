import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Chunker } from '../../../src/chunking/chunker.ts'
import { fingerprintOf, type Fingerprint } from '../../../src/local/fingerprint.ts'
import { FileChangedError, readFileChunks } from '../../../src/repository/source/file-reader.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'
import { sha256 } from '../../../src/util/hash.ts'
import { chunkBytes } from '../../helpers/encode.ts'
import { withFolder } from '../../helpers/folders.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const KiB = 1024
const chunker = new Chunker(PLAIN_CHUNKS)
const lookAt = (path: string): Fingerprint => fingerprintOf(lstatSync(path, { bigint: true }))

/** Two sizes: read with synchronous calls, and in several pieces. */
const SIZES = [100 * KiB, 2500 * KiB]

async function read(path: string, expected: Fingerprint, during: () => void = () => undefined): Promise<{ chunks: Buffer; bytes: Buffer }> {
  const pieces: Buffer[] = []
  const ids: Buffer[] = []
  for await (const { id, bytes } of readFileChunks(path, expected, chunker)) {
    if (pieces.length === 0) during()
    pieces.push(Buffer.from(bytes))
    ids.push(id)
  }
  return { chunks: Buffer.concat(ids), bytes: Buffer.concat(pieces) }
}

describe('reading a file', () => {
  test.each([0, 1, 16 * KiB, 256 * KiB, 256 * KiB + 1, 1024 * KiB, 2500 * KiB])('of %i bytes gives its chunks and their ids', size =>
    withFolder(async folder => {
      const content = seededNoise(size, size)
      writeFileSync(join(folder, 'file'), content)
      const { chunks, bytes } = await read(join(folder, 'file'), lookAt(join(folder, 'file')))
      expect(bytes.equals(content)).toBe(true)
      expect(chunks.equals(Buffer.concat(chunkBytes(content).map(sha256)))).toBe(true)
    }),
  )

  test('that is sparse reads zeros', () =>
    withFolder(async folder => {
      const fd = openSync(join(folder, 'file'), 'w')
      ftruncateSync(fd, 3_000_000)
      writeSync(fd, 'x', 2_000_000)
      closeSync(fd)
      const { bytes } = await read(join(folder, 'file'), lookAt(join(folder, 'file')))
      expect([bytes.length, bytes.indexOf('x'), bytes.lastIndexOf('x')]).toEqual([3_000_000, 2_000_000, 2_000_000])
    }))
})

const changes: [string, (path: string) => void][] = [
  ['grows', path => appendFileSync(path, 'more')],
  ['grows by a lot', path => appendFileSync(path, seededNoise(1, 3_000_000))],
  ['is cut', path => truncateSync(path, 50 * KiB)],
  ['is emptied', path => truncateSync(path, 0)],
  [
    'is written over, its size kept',
    path => {
      const fd = openSync(path, 'r+')
      writeSync(fd, 'changed', 10)
      closeSync(fd)
    },
  ],
  [
    'is replaced by another of its size',
    path => {
      writeFileSync(`${path}.new`, seededNoise(7, Number(lstatSync(path).size)))
      renameSync(`${path}.new`, path)
    },
  ],
]

describe.each(SIZES)('a file of %i bytes that changes', size => {
  test.each(changes)('and %s while it is read is told', (_, change) =>
    withFolder(async folder => {
      const path = join(folder, 'file')
      writeFileSync(path, seededNoise(1, size))
      const expected = lookAt(path)
      await sleep(15) // clocks of file systems tick every 4 to 10 ms
      await expect(read(path, expected, () => change(path))).rejects.toThrow(FileChangedError)
    }),
  )

  test.each(changes)('and %s before it is read is told', (_, change) =>
    withFolder(async folder => {
      const path = join(folder, 'file')
      writeFileSync(path, seededNoise(1, size))
      const expected = lookAt(path)
      await sleep(15)
      change(path)
      await expect(read(path, expected)).rejects.toThrow(FileChangedError)
    }),
  )

  test('into a symlink, a pipe or nothing is told, and neither followed nor waited for', () =>
    withFolder(async folder => {
      const path = join(folder, 'file')
      writeFileSync(path, seededNoise(1, size))
      writeFileSync(join(folder, 'other'), seededNoise(1, size))
      const expected = lookAt(path)
      unlinkSync(path)
      await expect(read(path, expected)).rejects.toMatchObject({ code: 'ENOENT' })
      symlinkSync('other', path)
      await expect(read(path, expected)).rejects.toMatchObject({ code: 'ELOOP' })
      rmSync(path)
      execFileSync('mkfifo', [path])
      await expect(read(path, expected)).rejects.toThrow(FileChangedError)
    }))

  test('the next file is read as if nothing had happened', () =>
    withFolder(async folder => {
      const path = join(folder, 'file')
      writeFileSync(path, seededNoise(1, size))
      const content = seededNoise(2, size)
      writeFileSync(join(folder, 'next'), content)
      const fail = (): void => {
        throw new Error('the sink fails')
      }
      await expect(read(path, lookAt(path), fail)).rejects.toThrow('the sink fails')
      expect((await read(join(folder, 'next'), lookAt(join(folder, 'next')))).bytes.equals(content)).toBe(true)
    }))
})
