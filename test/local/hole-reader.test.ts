import { closeSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HoleReader } from '../../src/local/hole-reader.ts'
import { readAtSync, readIntoSync } from '../../src/local/read-at.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededBytes } from '../helpers/seeded.ts'

const MIB = 1024 * 1024
const EXT4 = 0xef53
const isExt4 = process.platform === 'linux' && statfsSync(tmpdir()).type === EXT4

/** Reads a file with buffers of odd lengths, and compares every byte. Gives how many came through the page cache. */
async function cachedBytesOf(path: string): Promise<number> {
  const fd = openSync(path, 'r')
  let cached = 0
  const holes = HoleReader.open(fd, (buffer, position) => {
    const count = readIntoSync(fd, buffer, position)
    cached += count
    return Promise.resolve(count)
  })!
  try {
    const buffer = Buffer.alloc(3 * MIB)
    let position = 0
    for (let turn = 0; ; turn++) {
      const space = buffer.fill(7).subarray(turn % 3 === 0 ? 0 : 12_345)
      const count = await holes.read(space, position)
      if (count === 0) break
      expect(space.subarray(0, count).equals(readAtSync(fd, position, count))).toBe(true)
      position += count
    }
    expect(position).toBe(fstatSync(fd).size)
    return cached
  } finally {
    holes.close()
    closeSync(fd)
  }
}

test.skipIf(!isExt4)('a file with holes is read byte for byte, and hardly through the page cache', () =>
  withFolder(async folder => {
    const path = join(folder, 'file')
    const fd = openSync(path, 'w')
    ftruncateSync(fd, 40 * MIB + 77)
    // not written to the disk yet, at the front of a block, within one, and at the end
    for (const [at, length] of [
      [0, 100],
      [8 * MIB, 5000],
      [17 * MIB + 33, 2 * MIB],
      [40 * MIB + 76, 1],
    ] as const)
      writeSync(fd, seededBytes(length, at), 0, length, at)
    closeSync(fd)
    expect(await cachedBytesOf(path)).toBeLessThan(12 * MIB)
  }),
)

test('a file without large holes is read as any other', () =>
  withFolder(folder => {
    const fd = openSync(join(folder, 'file'), 'w+')
    writeSync(fd, seededBytes(MIB, 1))
    expect(HoleReader.open(fd, () => Promise.resolve(0))).toBeUndefined()
    closeSync(fd)
    return Promise.resolve()
  }))
