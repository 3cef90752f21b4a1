import { mkdirSync, readdirSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TensorSpan } from '../../../src/chunking/tensor-layout.ts'
import { TensorCache } from '../../../src/repository/bases/tensor-cache.ts'
import { sha256 } from '../../../src/util/hash.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { withFolder } from '../../helpers/folders.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const KB = 1000
const MB = 1000 * KB
const GB = 1000 * MB
const YEAR_2020 = 1_577_836_800

/** A cache on a disk of so many bytes, with nothing else on it. */
class Disk {
  readonly folder: string
  readonly cache: TensorCache
  private used = 0

  constructor(folder: string, bytes: number) {
    this.folder = join(folder, 'tensors')
    mkdirSync(this.folder)
    this.cache = new TensorCache(this.folder, silentReporter, () => bytes - this.bytes())
  }

  bytes(): number {
    return readdirSync(this.folder).reduce((sum, name) => sum + statSync(join(this.folder, name)).size, 0)
  }

  /** Keeps the tensors of a file, used later than all before; the name it has in the cache. */
  keep(seed: number, lengths: readonly number[]): string {
    const tensors = lengths.map((length, i) => seededNoise(seed * 10_000 + i, length))
    const writer = this.cache.begin(lengths.reduce((sum, length) => sum + length))!
    let offset = 0
    for (const [i, bytes] of tensors.entries()) {
      const tensor: TensorSpan = { name: `layers.${i}.weight`, offset, length: bytes.length, width: 4, kind: 'float' }
      writer.add(sha256(bytes), bytes, { tensor, offset: 0 })
      offset += bytes.length
    }
    const chunks = Buffer.concat(tensors.map(sha256))
    this.cache.finish(writer, chunks)
    return this.age(TensorCache.keyOf(chunks))
  }

  /** A file of the cache that takes no place. */
  pretend(digit: string, bytes: number): string {
    const name = digit.repeat(64)
    writeFileSync(join(this.folder, name), '')
    truncateSync(join(this.folder, name), bytes)
    return this.age(name)
  }

  /** Times in the order of the calls, however fast they come. */
  private age(name: string): string {
    const path = join(this.folder, name)
    const time = YEAR_2020 + ++this.used
    if (readdirSync(this.folder).includes(name)) utimesSync(path, time, time)
    return name
  }
}

const withDisk = (bytes: number, use: (disk: Disk) => Promise<void> | void): Promise<void> =>
  withFolder(async folder => use(new Disk(folder, bytes)))

test('takes 5 % of what is free at most, and gives up what was used longest ago', () =>
  withDisk(20 * MB, async disk => {
    const names: string[] = []
    for (let i = 0; i < 6; i++) {
      names.push(disk.keep(i, [150 * KB, 100 * KB]))
      expect(disk.bytes()).toBeLessThanOrEqual(1 * MB)
    }
    expect([...disk.cache.keys()].sort()).toEqual(names.slice(3).sort())

    // a file that is opened counts as used
    const file = await disk.cache.open(names[3]!)
    expect(file!.tensors.map(({ name, length }) => [name, length])).toEqual([
      ['layers.0.weight', 150 * KB],
      ['layers.1.weight', 100 * KB],
    ])
    expect(await file!.tensors[1]!.read(0, new Uint8Array(100 * KB))).toEqual(new Uint8Array(seededNoise(30_001, 100 * KB)))
    await file!.close()
    const newest = disk.keep(9, [150 * KB, 100 * KB])
    expect([...disk.cache.keys()].sort()).toEqual([names[3]!, names[5]!, newest].sort())
  }))

test('keeps whole tensors alone, for half of its room, of a file that is larger', () =>
  withDisk(20 * MB, async disk => {
    const small = disk.keep(1, [300 * KB])
    const large = disk.keep(2, [300 * KB, 400 * KB, 150 * KB, 600 * KB])
    expect([...disk.cache.keys()].sort()).toEqual([small, large].sort())
    const file = (await disk.cache.open(large))!
    expect(file.tensors.map(({ name }) => name)).toEqual(['layers.0.weight', 'layers.2.weight'])
    await file.close()
  }))

test('counts what it notes of many small tensors, too', () =>
  withDisk(20 * MB, disk => {
    for (let i = 0; i < 3; i++) {
      disk.keep(
        i,
        Array.from({ length: 120 }, () => 4096),
      )
      expect(disk.bytes()).toBeLessThanOrEqual(1 * MB)
    }
    expect(disk.cache.keys().size).toBe(1)
  }))

test('takes 2 GB at most, whatever is free', () =>
  withDisk(1000 * GB, disk => {
    const names = ['a', 'b', 'c', 'd'].map(digit => disk.pretend(digit, 0.6 * GB))
    disk.keep(1, [10 * KB])
    expect(disk.bytes()).toBeLessThanOrEqual(2 * GB)
    for (const name of names.slice(1)) expect(disk.cache.keys()).toContain(name)
    expect(disk.cache.keys()).not.toContain(names[0])
    expect(disk.cache.keys().size).toBe(4)
  }))

test('makes room where a disk fills up', () =>
  withFolder(async folder => {
    let free = 100 * MB
    const cache = new TensorCache(folder, silentReporter, () => free)
    const keep = (seed: number): void => {
      const bytes = seededNoise(seed, 500 * KB)
      const writer = cache.begin(bytes.length)!
      writer.add(sha256(bytes), bytes, { tensor: { name: 'w', offset: 0, length: bytes.length, width: 4, kind: 'float' }, offset: 0 })
      cache.finish(writer, sha256(bytes))
    }
    for (let i = 0; i < 4; i++) keep(i)
    expect(cache.keys().size).toBe(4)
    free = 10 * MB
    keep(5)
    const kept = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    expect(kept).toBeLessThanOrEqual(0.05 * (free + kept))
  }))
