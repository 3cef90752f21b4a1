import { mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packName } from '../../src/repository/format/object-names.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { ATTRIBUTES, CONTENT, craft, file, folder, link } from './crafted.ts'
import { goldenRepository } from './repositories.ts'
import { removeObjects, rescue, restoreAll, withCopy } from './rescue-runs.ts'
import type { ExpectedVersion } from './stage.ts'
import { describeTree } from './trees.ts'

/** Flips one bit where `bytes` lie in a pack, and returns that pack's id. */
function damage(repo: string, bytes: Uint8Array): string {
  for (const name of readdirSync(repo).filter(name => name.startsWith('pack-'))) {
    const pack = readFileSync(join(repo, name))
    const at = pack.indexOf(bytes)
    if (at < 0) continue
    pack[at + 3]! ^= 0x10
    writeFileSync(join(repo, name), pack)
    return name.slice('pack-'.length)
  }
  throw new Error('no pack holds these bytes as they are')
}

describe('damage', () => {
  const basic = goldenRepository('basic')
  const first = basic.expected.versions[0]!

  test('one flipped bit: the files it is in are reported, all others restored', () =>
    withCopy(basic, async (folder, repo) => {
      const pack = damage(repo, seededBytes(60_000, 1).subarray(0, 64))
      const lost = ['a/copy of samples.bin', 'a/samples.bin']
      const run = await rescue(repo, 'restore', '--special-modes', first.id, join(folder, 'out'))
      expect(run.code).toBe(1)
      expect(describeTree(join(folder, 'out'))).toEqual(first.entries.filter(({ path }) => !lost.includes(path)))
      const reported = run.stderr.split('\n').filter(line => line.includes('NOT RESTORED'))
      expect(reported).toHaveLength(2)
      for (const [i, path] of lost.entries()) expect(reported[i]).toContain(`${path}: chunk `)
      expect(reported[0]).toContain(`does not match its checksum in pack ${pack.slice(0, 12)}`)
      const verified = await rescue(repo, 'verify', first.id)
      expect(verified.code).toBe(1)
      expect(verified.stdout).toContain('2 damaged')
    }))

  test('of a chunk that lies in two packs the good copy is taken', () => {
    const tombs = goldenRepository('tombs')
    return withCopy(tombs, async (folder, repo) => {
      damage(repo, seededBytes(30_000, 21).subarray(0, 64))
      await restoreAll(folder, repo, tombs.expected.versions)
    })
  })

  test('damaged indexes cost nothing', () =>
    withCopy(basic, async (folder, repo) => {
      for (const name of readdirSync(repo).filter(name => name.startsWith('index-'))) {
        const index = readFileSync(join(repo, name))
        index[20]! ^= 1
        writeFileSync(join(repo, name), index)
      }
      const run = await rescue(repo, 'restore', '--special-modes', first.id, join(folder, 'out'))
      expect(run.code, run.stderr).toBe(0)
      expect(run.stderr).toMatch(/index [0-9a-f]{12}: it does not match its checksum/)
      expect(describeTree(join(folder, 'out'))).toEqual(first.entries)
    }))

  describe('a pack cut short costs what was in it', () => {
    const [before, last] = basic.expected.versions.filter(({ name }) => name === 'data').slice(-2) as [ExpectedVersion, ExpectedVersion]

    /**
     * Expects the last version, whose manifest was in that pack too, to be lost, and the one before it to come back as
     * `wanted`.
     */
    const expectOneBefore = async (folder: string, repo: string, wanted: string): Promise<void> => {
      const pack = damage(repo, seededBytes(20_000, 2).subarray(0, 64)) // the pack of what was new in the last version
      truncateSync(join(repo, packName(pack)), 1000)
      expect((await rescue(repo, 'restore', '--special-modes', last.id, join(folder, 'last'))).code).toBe(1)
      const run = await rescue(repo, 'restore', '--special-modes', wanted, join(folder, 'before'))
      expect(run.code, run.stderr).toBe(0)
      expect(describeTree(join(folder, 'before'))).toEqual(before.entries)
    }

    test('with its indexes', () => withCopy(basic, (folder, repo) => expectOneBefore(folder, repo, before.id)))

    test('without indexes, where the newest version that is all there is taken', () =>
      withCopy(basic, async (folder, repo) => {
        removeObjects(repo, 'index-')
        await expectOneBefore(folder, repo, 'data')
      }))
  })

  test('a newer config and an unknown feature are refused', () =>
    withCopy(basic, async (_, repo) => {
      writeFileSync(join(repo, 'feature-x'), '')
      expect(await rescue(repo, 'list')).toMatchObject({ code: 1, stdout: '' })
      rmSync(join(repo, 'feature-x'))
      writeFileSync(join(repo, 'config.json'), '{"format": 2}')
      const run = await rescue(repo, 'list')
      expect(run).toMatchObject({ code: 1, stdout: '' })
      expect(run.stderr).toContain('newer colab-escape')
    }))

  test('a damaged snapshot is left out and named', () =>
    withCopy(basic, async (_, repo) => {
      const name = readdirSync(repo).find(name => name.endsWith('-solo.csv.json'))!
      writeFileSync(join(repo, name), readFileSync(join(repo, name), 'utf8').replace('"files": 1', '"files": 2'))
      const run = await rescue(repo, 'list')
      expect(run.code).toBe(0)
      expect(run.stdout).not.toContain('solo.csv')
      expect(run.stderr).toContain(`${name} is left out`)
    }))
})

test('a destination that is not empty is left alone', () =>
  withCopy(goldenRepository('basic'), async (folder, repo) => {
    mkdirSync(join(folder, 'out'))
    writeFileSync(join(folder, 'out', 'mine'), 'mine')
    const run = await rescue(repo, 'restore', '--special-modes', 'data', join(folder, 'out'))
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('is not empty')
    expect(readdirSync(join(folder, 'out'))).toEqual(['mine'])
  }))

test('wrong usage is exit code 2', async () => {
  expect((await rescue('.')).code).toBe(2)
  expect((await rescue('.', 'steal')).code).toBe(2)
})

test.each<[string, object[]]>([
  ['a path upwards', [file('a'), file('../evil')]],
  ['a path upwards from a folder', [folder('a'), folder('a/..'), file('a/../../evil')]],
  ['an absolute path', [file('/tmp/evil')]],
  ['a file below a symlink', [file('a'), link('b', '..'), file('b/evil')]],
  ['a symlink and a folder of one name', [link('a', '..'), folder('a'), file('a/evil')]],
  ['a file in a folder that is not listed', [file('a/evil')]],
  ['rows out of order', [file('b'), file('a')]],
  ['an empty path', [file('')]],
  ['a path that ends with a slash', [folder('a'), file('a/')]],
  ['a NUL in a path', [file('a\0b')]],
  ['a part without its file', [{ path: 'a', part: 1, chunks: [sha256Hex(CONTENT)] }]],
  ['a device', [{ path: 'a', type: 'device', ...ATTRIBUTES }]],
  ['a text that is not Unicode', [file('\ud800')]],
  ['a path that is a number', [{ ...file('a'), path: 7 }]],
])('a manifest with %s is refused before anything is written', (_, rows) =>
  withFolder(async path => {
    craft(join(path, 'repo'), rows)
    const run = await rescue(join(path, 'repo'), 'restore', snapshotId(join(path, 'repo')), join(path, 'in', 'out'))
    expect(run.code).toBe(1)
    expect(run.stderr).toMatch(/^rescue\.py: the manifest is refused: .+$/m)
    expect(run.stderr).not.toContain('Traceback')
    expect(readdirSync(path)).toEqual(['repo'])
  }),
)

const snapshotId = (repo: string): string =>
  readdirSync(repo)
    .find(name => name.startsWith('snapshot-'))!
    .split('-')[2]!

test('symlinks may point anywhere; nothing is written through them', () =>
  withFolder(async path => {
    craft(join(path, 'repo'), [link('away', '../elsewhere'), file('file'), link('self', 'self')])
    mkdirSync(join(path, 'elsewhere'))
    expect(await rescue(join(path, 'repo'), 'restore', 'crafted', join(path, 'out'))).toMatchObject({ code: 0 })
    expect(describeTree(join(path, 'out')).map(({ path, type }) => [path, type])).toEqual([
      ['away', 'symlink'],
      ['file', 'file'],
      ['self', 'symlink'],
    ])
    expect(readdirSync(join(path, 'elsewhere'))).toEqual([])
  }))

describe('a version whose base is lost', () => {
  const { versions } = goldenRepository('tensors').expected
  const chain = versions.filter(({ name }) => name === 'chain')
  const lost = chain[8]!
  const others = [chain[2]!, chain[9]!, versions.at(-1)!]

  /** Lets `harm` change the pack with the base of a version, and gives the complaints of restoring that version. */
  const restoreWithout = (harm: (pack: string) => void, use: (stderr: string) => void): Promise<void> =>
    withCopy(goldenRepository('tensors'), async (folder, repo) => {
      const packs = readdirSync(repo).filter(name => name.startsWith('pack-'))
      const base = manifestChunk(repo, chain[3]!.id)
      harm(join(repo, packs.find(name => readFileSync(join(repo, name)).includes(base))!))
      const last = await rescue(repo, 'restore', '--special-modes', lost.id, join(folder, 'lost'))
      expect(last.code).toBe(1)
      use(last.stderr)
      await restoreAll(folder, repo, others)
    })

  test('is whole as long as nothing is lost', () =>
    withCopy(goldenRepository('tensors'), async (_, repo) => {
      const runs = await Promise.all(chain.map(({ id }) => rescue(repo, 'verify', id)))
      expect(runs.map(({ code }) => code)).toEqual(chain.map(() => 0))
    }))

  test('a damaged base is named; what does not need it is restored', () =>
    restoreWithout(
      pack => {
        const bytes = readFileSync(pack)
        for (let i = 0; i < 3000; i += 7) bytes[i]! ^= 1
        writeFileSync(pack, bytes)
      },
      stderr => {
        expect(stderr).toContain('NOT RESTORED: last.safetensors: chunk ')
        expect(stderr).toMatch(/is predicted from another: chunk [0-9a-f]{12} (?:does not match its checksum|can't be read)/)
      },
    ))

  test('a missing base is named; what does not need it is restored', () =>
    restoreWithout(rmSync, stderr => expect(stderr).toMatch(/is predicted from another: chunk [0-9a-f]{12} is in no pack/)))
})

/** The id of the first chunk of a version's manifest, which lies in the pack of its push. */
function manifestChunk(repo: string, version: string): Buffer {
  const name = readdirSync(repo).find(name => name.startsWith('snapshot-') && name.includes(version.slice(0, 16)))!
  return Buffer.from((JSON.parse(readFileSync(join(repo, name), 'utf8')) as { manifest: { chunks: string[] } }).manifest.chunks[0]!, 'hex')
}

test('a block with a filter of the future is named; the rest is restored', () =>
  withFolder(async path => {
    craft(join(path, 'repo'), [folder('a'), file('b')], { filter: 99 })
    const run = await rescue(join(path, 'repo'), 'restore', 'crafted', join(path, 'out'))
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('NOT RESTORED: b: ')
    expect(run.stderr).toContain('filter 99: needs a newer rescue.py')
    expect(readdirSync(join(path, 'out'))).toEqual(['a'])
  }))

test('what is in a folder that cannot be made is not written anywhere', () =>
  withFolder(async path => {
    const long = 'x'.repeat(300)
    craft(join(path, 'repo'), [file('a'), folder(long), folder(`${long}/b`), file(`${long}/b/c`)])
    const run = await rescue(join(path, 'repo'), 'restore', 'crafted', join(path, 'out'))
    expect(run.code).toBe(1)
    expect(run.stderr.match(/NOT RESTORED: x{300}/g)).toHaveLength(3)
    expect(run.stderr).toContain(`${long}/b/c: its folder could not be made`)
    expect(readdirSync(join(path, 'out'))).toEqual(['a'])
  }))

test('a file whose chunks have another length than it says is not restored', () =>
  withFolder(async path => {
    craft(join(path, 'repo'), [{ ...file('a'), size: 8 }, file('b')])
    const run = await rescue(join(path, 'repo'), 'restore', 'crafted', join(path, 'out'))
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('NOT RESTORED: a: its chunks have 7 bytes instead of 8')
    expect(readdirSync(join(path, 'out'))).toEqual(['b'])
  }))
