import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { extract } from '../../src/archive/extract.ts'
import { partName } from '../../src/local/part-names.ts'
import { pull } from '../../src/repository/pull/pull.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { readManifest } from '../../src/repository/read/read-manifest.ts'
import { parseVersion, resolveVersion } from '../../src/repository/versions/versions.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import type { FileSystem } from '../../src/util/file-system.ts'
import { listening, poolOf, python } from '../archive/archives.ts'
import { canBeNobody, withSandbox } from '../helpers/cli.ts'
import { intercepted } from '../helpers/file-system/intercepted.ts'
import { withFolder } from '../helpers/folders.ts'
import { contextOf, pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, pictureOf, type TreeNode } from '../helpers/trees.ts'

const BEFORE: Record<string, TreeNode> = {
  'sub/a.txt': 'old',
  'sub/same.txt': { file: 'the same', mode: 0o640 },
  'sub/gone.txt': 'gone',
  'sub/gone/x.txt': 'gone too',
  'sub/deep/b.txt': 'old',
  'same.txt': { file: 'the same', mode: 0o640 },
}
const AFTER: Record<string, TreeNode> = {
  'sub/a.txt': 'new',
  'sub/same.txt': { file: 'the same', mode: 0o664 },
  'sub/deep/b.txt': 'new',
  'sub/deep/c.txt': 'new',
  'sub/made/d.txt': 'new',
  'sub/link': { link: 'a.txt' },
  'same.txt': { file: 'the same', mode: 0o664 },
}
/** What somebody would like to reach: it has the names of what is pulled, and nobody else may read it. */
const SECRETS: Record<string, TreeNode> = Object.fromEntries(
  [...Object.keys(BEFORE), ...Object.keys(AFTER)].map(path => [path.replace('sub/', ''), { file: 'the same', mode: 0o600 }] as const),
)

/** Puts a symlink in the place of something. */
function exchange(path: string, target: string): void {
  renameSync(path, join(dirname(dirname(path)), 'taken away'))
  symlinkSync(target, path)
}

async function pullInto(context: RepositoryContext, destination: string): Promise<void> {
  const repository = await openForReading(context)
  const snapshot = await resolveVersion(repository, repository.view, parseVersion('data'))
  const rest = { only: [], exclude: [], delete: true, force: true, dryRun: false, skip: undefined }
  await pull(context, repository, { snapshot, destination, ...rest, openCache: () => Promise.resolve(undefined) })
}

/** A store with two versions, the older of which lies in `out` of each round; and what must stay as it is. */
async function withScene(use: (scene: { folder: string; context: (fileSystem: FileSystem) => RepositoryContext }) => Promise<void>) {
  await withFolder(async folder => {
    const storage = new FolderStorage(join(folder, 'store'))
    for (const [name, tree] of Object.entries({ before: BEFORE, after: AFTER })) {
      makeTree(join(folder, name, 'data'), tree)
      await pushFolder(contextOf(storage), join(folder, name, 'data'), 'data')
    }
    await use({ folder, context: fileSystem => ({ ...contextOf(storage), fileSystem }) })
  })
}

interface Round {
  /** Names of the calls of the file system that count. */
  calls: string[]
  error: unknown
}

async function round(
  scene: { folder: string; context: (fileSystem: FileSystem) => RepositoryContext },
  exchanged: string,
  at: number,
  {
    alters = () => undefined,
    counts = () => true,
  }: { alters?: (name: string, path: string) => void; counts?: (name: string) => boolean } = {},
): Promise<Round> {
  const work = join(scene.folder, `${exchanged.replaceAll('/', '-')}-${at}`)
  const [out, outside] = [join(work, 'out'), join(work, 'outside')]
  makeTree(out, BEFORE)
  makeTree(outside, SECRETS)
  for (const path of ['.', 'deep', 'same.txt']) utimesSync(join(outside, path), 1e9, 1e9)
  const before = pictureOf(outside)
  const calls: string[] = []
  const target = exchanged.endsWith('.txt') ? join(outside, 'same.txt') : exchanged.endsWith('deep') ? join(outside, 'deep') : outside
  const fileSystem = intercepted({
    skipsSyncs: true,
    before: ({ name, path }) => {
      alters(name, path)
      if (counts(name) && calls.push(name) === at) exchange(join(out, exchanged), target)
    },
  })
  const error: unknown = await pullInto(scene.context(fileSystem), out).catch((thrown: unknown) => thrown)
  expectSameTree(outside, before)
  expect([statSync(outside).mode & 0o777, statSync(outside).mtimeMs]).toEqual([0o755, 1e12])
  return { calls, error }
}

describe('A pull changes nothing outside its destination, even if another user exchanges what is in it while the pull runs', () => {
  test.each([
    ['sub', 1],
    ['sub/deep', 3],
    ['sub/same.txt', 2],
    ['same.txt', 3],
  ])('%s becomes a symlink before a call (one of %i)', (exchanged, step) =>
    withScene(async scene => {
      const { calls } = await round(scene, exchanged, 0)
      expect(calls.length).toBeGreaterThan(30)
      const ends: unknown[] = []
      for (let at = 1; at <= calls.length; at += step) ends.push((await round(scene, exchanged, at)).error)
      expect(ends).toContainEqual(expect.objectContaining({ code: exchanged.endsWith('.txt') ? 'would-overwrite' : 'conflict' }))
    }),
  )

  test('where no folder can be held open, each is looked at before and after a change', () =>
    withScene(async scene => {
      const noProc = (name: string, path: string): void => {
        if (name === 'stat' && path.endsWith('/.')) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
      }
      // while a sync runs: what is exchanged within a change can't be prevented there
      const how = { alters: noProc, counts: (name: string) => name === 'fsync' }
      const { calls } = await round(scene, 'sub', 0, how)
      const ends: unknown[] = []
      for (let at = 1; at <= calls.length; at++) ends.push((await round(scene, 'sub', at, how)).error)
      expect(ends.length).toBeGreaterThan(3)
      expect(ends).toContainEqual(expect.objectContaining({ code: 'conflict' }))
    }))

  test('a real process exchanges a folder for a symlink, again and again', () =>
    withSandbox(async sandbox => {
      const tree = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`sub/${i}.txt`, `file ${i}`]))
      makeTree(sandbox.in('data'), tree)
      await sandbox.ok('push', 'data')
      mkdirSync(sandbox.in('out', 'sub'), { recursive: true })
      makeTree(sandbox.in('outside'), { 'precious.txt': 'precious' })
      const before = pictureOf(sandbox.in('outside'))
      symlinkSync(sandbox.in('outside'), sandbox.in('out-link'))
      const attacker = spawn('python3', ['-c', EXCHANGING, sandbox.in('out', 'sub'), sandbox.in('out-link')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        await new Promise(resolve => attacker.stdout.once('data', resolve))
        const run = await sandbox.run(['pull', 'data', 'out'])
        expect(run.signal).toBe(null)
        expect(run.stderr).not.toMatch(/^\s+at /m)
      } finally {
        attacker.kill()
        await new Promise(resolve => attacker.once('close', resolve))
      }
      expectSameTree(sandbox.in('outside'), before)
    }))

  test('a destination that was a symlink all along is followed', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'sub/a.txt': 'a' })
      await sandbox.ok('push', 'data')
      mkdirSync(sandbox.in('real'))
      symlinkSync('real', sandbox.in('out'))
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('real'), pictureOf(sandbox.in('data')))
    }))
})

/** Exchanges two names in one step, as fast as it can (renameat2 with RENAME_EXCHANGE). */
const EXCHANGING = `
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = (path.encode() for path in sys.argv[1:])
print('ready', flush=True)
while True: libc.renameat2(-100, a, -100, b, 2)
`

describe('A pull continues no part file that another user could change afterwards', () => {
  const LARGE = seededNoise(5, 1_500_000)

  /** The ids of the chunks of the only file of `data`. */
  async function chunksOf(store: string): Promise<Buffer> {
    const repository = await openForReading(contextOf(new FolderStorage(store)))
    const snapshot = await resolveVersion(repository, repository.view, parseVersion('data'))
    for await (const entry of readManifest(repository, snapshot)) if (entry.type === 'file') return entry.chunks
    throw new Error('there is no file')
  }

  async function prepared(plant: (part: string, folder: string) => void, look: (folder: string) => void): Promise<void> {
    await withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { large: LARGE })
      await sandbox.ok('push', 'data')
      mkdirSync(sandbox.in('out'))
      chmodSync(sandbox.in('out'), 0o1777)
      plant(sandbox.in('out', partName('large', await chunksOf(sandbox.store))), sandbox.path)
      await sandbox.ok('pull', 'data', 'out')
      expect(readFileSync(sandbox.in('out', 'large')).equals(LARGE)).toBe(true)
      look(sandbox.path)
    })
  }

  test.each([
    ['of another user', (part: string) => chownSync(part, 65534, 65534)],
    ['that everybody can write', (part: string) => chmodSync(part, 0o666)],
  ])('one %s', (_, make) => {
    let fd = -1
    return prepared(
      part => {
        writeFileSync(part, LARGE, { mode: 0o600 })
        fd = openSync(part, 'r+')
        make(part)
      },
      folder => {
        writeSync(fd, 'changed afterwards', 0)
        closeSync(fd)
        expect(readFileSync(join(folder, 'out', 'large')).equals(LARGE)).toBe(true)
      },
    )
  })

  test.skipIf(!canBeNobody)('one that can not be removed, in a folder such as /tmp: another name is taken', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { large: LARGE })
      await sandbox.ok('push', 'data')
      for (const folder of ['.', 'out', 'cache']) {
        mkdirSync(sandbox.in(folder), { recursive: true })
        chmodSync(sandbox.in(folder), 0o1777)
      }
      const part = sandbox.in('out', partName('large', await chunksOf(sandbox.store)))
      writeFileSync(part, LARGE, { mode: 0o666 })
      chmodSync(part, 0o666)
      const run = await sandbox.run(['pull', 'data', 'out'], { uid: 65534, env: { HOME: sandbox.in('cache') } })
      expect(run.code, run.stderr).toBe(0)
      expect(statSync(sandbox.in('out', 'large')).uid).toBe(65534)
      expect(existsSync(part)).toBe(true)
    }),
  )

  test('one that is another name of a file elsewhere', () =>
    prepared(
      (part, folder) => {
        writeFileSync(join(folder, 'elsewhere'), Buffer.alloc(LARGE.length, 1), { mode: 0o600 })
        linkSync(join(folder, 'elsewhere'), part)
      },
      folder => expect(readFileSync(join(folder, 'elsewhere')).equals(Buffer.alloc(LARGE.length, 1))).toBe(true),
    ))
})

describe('An extraction changes nothing outside its destination, even if another user exchanges what is in it meanwhile', () => {
  test.each(['sub', 'sub/deep'])('%s becomes a symlink between two entries', exchanged =>
    withFolder(async folder => {
      const entries = ['sub/', 'sub/deep/', ...Array.from({ length: 40 }, (_, i) => `sub/deep/${i}`), 'sub/last', 'sub/new/x']
      python(
        folder,
        `
import io, tarfile
with tarfile.open('x.tar', 'w') as tar:
    for name in ${JSON.stringify(entries)}:
        info = tarfile.TarInfo(name.rstrip('/'))
        info.type = tarfile.DIRTYPE if name.endswith('/') else tarfile.REGTYPE
        info.mode, info.size = 0o755, 0 if name.endswith('/') else 4
        tar.addfile(info, io.BytesIO(b'evil'))
`,
      )
      const tar = readFileSync(join(folder, 'x.tar'))
      const [out, outside] = [join(folder, 'out'), join(folder, 'outside')]
      mkdirSync(out)
      makeTree(outside, { 'precious.txt': { file: 'precious', mode: 0o600 } })
      chmodSync(outside, 0o700)
      const before = pictureOf(outside)
      async function* bytes(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < tar.length; at += 512) {
          if (at === 20 * 1024) exchange(join(out, exchanged), outside)
          yield tar.subarray(at, at + 512)
        }
      }
      const { reporter } = listening()
      const context = { pool: poolOf(), zstd: 'portable' as const, reporter, signal: new AbortController().signal }
      await extract(context, { source: { name: 'x.tar', bytes: bytes() }, destination: out, force: true }).catch(() => undefined)
      expect(existsSync(join(folder, 'taken away')) || existsSync(join(out, 'taken away'))).toBe(true)
      expectSameTree(outside, before)
      expect(statSync(outside).mode & 0o777).toBe(0o700)
    }),
  )
})
