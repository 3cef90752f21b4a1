import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { canBeNobody, resultOf, runCli } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { withTmpfs } from '../helpers/mounts.ts'
import { recordingReporter } from '../helpers/repository/test-store.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { makeTree } from '../helpers/trees.ts'
import { pushed } from './destinations.ts'

const isRoot = process.getuid?.() === 0
const NOBODY = 65534

/** Why no attribute of ext4 and its like can be set in the folder of tests; undefined if it can. */
function whyNoAttributes(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'attributes-'))
  try {
    if (spawnSync('chattr', ['+i', folder]).status !== 0) return 'chattr is not installed, not allowed, or nothing for this file system'
    execFileSync('chattr', ['-i', folder])
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const why = whyNoAttributes()
const title = (text: string, reason: string | undefined): string => (reason === undefined ? text : `${text} (skipped: ${reason})`)

const partsIn = (folder: string): string[] => (readdirSync(folder, { recursive: true }) as string[]).filter(name => name.endsWith('.part'))

describe('what chattr protects', () => {
  const protectedPaths: string[] = []
  const protect = (attribute: string, path: string): void => {
    execFileSync('chattr', [attribute, path])
    protectedPaths.push(path)
  }
  const unprotect = (): void => {
    for (const path of protectedPaths.splice(0)) spawnSync('chattr', ['-i', '-a', path])
  }
  afterAll(unprotect)

  test.skipIf(why)(title('is told, and all else is restored; once it is not protected any more, a pull completes', why), () =>
    withFolder(async folder => {
      const context = contextOf(new MemoryStorage())
      const data = join(folder, 'data')
      const out = join(folder, 'out')
      const files = ['fixed', 'growing', 'touched', 'free', 'shut/old', 'shut/type/x', 'z/last']
      makeTree(data, Object.fromEntries(files.map(file => [file, `old ${file}`])))
      await pushFolder(context, data, 'data')
      await pullVersion(context, 'data', out)
      makeTree(data, Object.fromEntries(files.filter(file => file !== 'touched').map(file => [file, `new ${file}`])))
      chmodSync(join(data, 'touched'), 0o600)
      makeTree(data, { 'shut/new': 'new', 'shut/newdir/x': 'x' })
      await pushFolder(context, data, 'data')
      for (const name of ['fixed', 'touched', 'shut']) protect('+i', join(out, name))
      protect('+a', join(out, 'growing'))
      try {
        const { plan, written } = await pullVersion(context, 'data', out)
        expect(plan.refused.found.map(({ path }) => path).sort()).toEqual([
          'fixed',
          'growing',
          'shut',
          'shut/new',
          'shut/newdir',
          'shut/newdir/x',
          'shut/old',
          'touched',
        ])
        expect([...plan.refused.cures]).toEqual([expect.stringContaining('chattr -i')])
        expect(written).toBe(3)
        expect(readFileSync(join(out, 'z/last'), 'utf8')).toBe('new z/last')
        expect(readFileSync(join(out, 'fixed'), 'utf8')).toBe('old fixed')
        expect(partsIn(out)).toEqual([])
      } finally {
        unprotect()
      }
      const { plan } = await pullVersion(context, 'data', out)
      expect(plan.refused.found).toEqual([])
      for (const file of [...files.filter(file => file !== 'touched'), 'shut/new'])
        expect(readFileSync(join(out, file), 'utf8')).toMatch(/^new/)
      expect(statSync(join(out, 'touched')).mode & 0o777).toBe(0o600)
    }),
  )

  test.skipIf(why)(title('a folder that only grows: each unfinished file that stays is told, and few are begun', why), () =>
    withFolder(async folder => {
      const names = Array.from({ length: 200 }, (_, i) => `f${i}`)
      const { reporter, warnings } = recordingReporter()
      const context = contextOf(new MemoryStorage(), { reporter })
      makeTree(join(folder, 'data'), Object.fromEntries([...names, 'sub/x'].map(name => [name, `content of ${name}`])))
      await pushFolder(context, join(folder, 'data'), 'data')
      const out = join(folder, 'out')
      mkdirSync(join(out, 'sub'), { recursive: true })
      protect('+a', out)
      try {
        const { plan, staleParts } = await pullVersion(context, 'data', out)
        const found = plan.refused.found.filter(({ path }) => names.includes(path))
        expect(found).toHaveLength(names.length)
        for (const { why } of found) expect(why).toMatch(/not permitted$|neither renamed nor removed$/)
        expect(readFileSync(join(out, 'sub/x'), 'utf8')).toBe('content of sub/x')
        const parts = partsIn(out)
        expect(parts.length).toBeLessThan(names.length / 2)
        expect(staleParts.files).toBe(parts.length)
        const left = parts.map(
          part => `the unfinished file ${join(out, part)} stays there, because it can't be removed: operation not permitted`,
        )
        expect(warnings.filter(text => text.includes('stays there')).sort()).toEqual(left.sort())
      } finally {
        unprotect()
      }
      expect((await pullVersion(context, 'data', out)).plan.refused.found).toEqual([])
    }),
  )

  test.skipIf(why)(title('an archive into or in such a folder: the same', why), () =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { a: 'a', b: 'b', 'sub/x': 'x' })
      execFileSync('tar', ['-cf', join(folder, 'a.tar'), '-C', join(folder, 'data'), 'a', 'b', 'sub'])
      const out = join(folder, 'out')
      mkdirSync(join(out, 'sub'), { recursive: true })
      protect('+a', out)
      try {
        const extracted = await runCli(['extract', join(folder, 'a.tar'), out])
        expect(extracted.stderr).toMatch(
          /^warning: the unfinished file .*\.part stays there, because it can't be removed: operation not permitted$/m,
        )
        expect(extracted.stderr).toMatch(/^warning: a was not extracted: operation not permitted$/m)
        expect(extracted.stderr).toMatch(/^warning: b was not extracted: files in its folder can be neither renamed nor removed$/m)
        expect(extracted.stdout).toContain('1 file written (1 B)')
        expect(extracted.code).toBe(3)
        expect(readFileSync(join(out, 'sub/x'), 'utf8')).toBe('x')
        const compressed = await runCli(['compress', join(folder, 'data'), '-o', join(out, 'a.zip')])
        expect(compressed.stderr).toMatch(/^warning: the unfinished file .*\.part stays there/m)
        expect(compressed.stderr).toMatch(/^error: .*out\/a\.zip can't be written: operation not permitted/m)
      } finally {
        unprotect()
      }
    }),
  )
})

describe('disks in the destination', () => {
  const reason = isRoot ? undefined : 'only root can mount'

  test.skipIf(!isRoot)(title('that are read-only are told, and what is beside them is restored', reason), () =>
    withTmpfs(1 << 20, disk =>
      withFolder(async beside => {
        const pull = await pushed(beside, { 'a/x': 'x', 'b/new': 'n', 'b/sub/y': 'y', 'c/z': 'z' })
        for (const name of ['a', 'b', 'c']) mkdirSync(join(disk.path, name))
        execFileSync('mount', ['--bind', '-o', 'ro', join(disk.path, 'b'), join(disk.path, 'b')])
        try {
          const { plan } = await pull(disk.path)
          expect(plan.refused.found.map(({ path }) => path).sort()).toEqual(['b', 'b/new', 'b/sub', 'b/sub/y'])
          expect([...plan.refused.cures].join()).toContain('remount')
          expect(readFileSync(join(disk.path, 'c/z'), 'utf8')).toBe('z')
        } finally {
          execFileSync('umount', [join(disk.path, 'b')])
        }
        expect((await pull(disk.path)).plan.refused.found).toEqual([])
      }),
    ),
  )

  test.skipIf(!isRoot)(title('that have no room for another folder end the pull as full', reason), () =>
    withFolder(async beside => {
      const pull = await pushed(beside, Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d${i}/e`, { folder: true as const }])))
      const disk = join(beside, 'disk')
      mkdirSync(disk)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=20', 'tmpfs', disk])
      try {
        await expect(pull(join(disk, 'out'))).rejects.toMatchObject({
          code: 'quota',
          hint: expect.stringContaining('Free some space') as string,
        })
      } finally {
        execFileSync('umount', [disk])
      }
    }),
  )
})

describe('a normal user', () => {
  const reason = canBeNobody ? undefined : 'only root can be another user'

  test.skipIf(!canBeNobody)(
    title('can delete in folders that a pull made read-only, and their modes and times are right afterwards', reason),
    () =>
      withFolder(async folder => {
        chmodSync(folder, 0o755)
        const tree = (extra: boolean) => ({
          'ro/kept': 'k',
          ...(extra ? { 'ro/old': 'o', 'ro/gone/x': 'x', 'ro/type': 'file' } : { 'ro/type/y': 'y' }),
          'free/a': extra ? 'one' : 'two',
        })
        const context = {
          cwd: folder,
          uid: NOBODY,
          env: { HOME: folder, COLAB_ESCAPE_CACHE: join(folder, 'cache'), COLAB_ESCAPE_STORE: 'store' },
        }
        const ok = async (...args: string[]) =>
          resultOf<{ deleted: number; refused: { path: string; why: string }[] }>(await runCli([...args, '--json'], context))
        mkdirSync(join(folder, 'store'))
        for (const extra of [true, false]) {
          makeTree(join(folder, 'data'), tree(extra))
          for (const name of ['ro/gone', 'ro']) if (extra || name === 'ro') chmodSync(join(folder, 'data', name), 0o555)
          chmodSync(join(folder, 'data'), 0o555)
          execFileSync('chown', ['-R', `${NOBODY}`, folder])
          await ok('push', 'data')
          if (extra) await ok('pull', 'data', 'out')
          rmSync(join(folder, 'data'), { recursive: true })
        }
        expect(statSync(join(folder, 'out')).mode & 0o777).toBe(0o555)
        const pulled = await ok('pull', 'data', 'out', '--delete')
        expect(pulled.refused).toEqual([])
        expect(pulled.deleted).toBe(3)
        expect(readdirSync(join(folder, 'out/ro')).sort()).toEqual(['kept', 'type'])
        await ok('pull', 'data', 'fresh')
        for (const name of ['.', 'ro', 'ro/type', 'free']) {
          const [a, b] = ['out', 'fresh'].map(root => lstatSync(join(folder, root, name), { bigint: true }))
          expect([name, a!.mode, a!.mtimeNs]).toEqual([name, b!.mode, b!.mtimeNs])
        }
        // what belongs to another user stays, and is told
        writeFileSync(join(folder, 'out/ro/foreign'), 'r')
        chownSync(join(folder, 'out/ro'), 0, 0)
        const refused = await runCli(['pull', 'data', 'out', '--delete', '--force'], context)
        expect(refused.code, refused.stderr).toBe(3)
        expect(refused.stderr).toMatch(/ro\/foreign was not deleted: permission denied/)
        expect(refused.stdout + refused.stderr).toMatch(/-> Give yourself the permission/)
        expect(readFileSync(join(folder, 'out/ro/foreign'), 'utf8')).toBe('r')
      }),
  )

  test.skipIf(!canBeNobody)(title('pushes what it can read of several folders', reason), () =>
    withFolder(async folder => {
      for (const name of ['a', 'shut', 'z']) makeTree(join(folder, name), { file: name })
      mkdirSync(join(folder, 'store'))
      execFileSync('chown', ['-R', `${NOBODY}`, folder])
      chmodSync(folder, 0o755)
      chmodSync(join(folder, 'shut'), 0)
      const options = {
        cwd: folder,
        uid: NOBODY,
        env: { HOME: folder, COLAB_ESCAPE_CACHE: join(folder, 'cache'), COLAB_ESCAPE_STORE: 'store' },
      }
      const run = await runCli(['push', 'a', 'shut', 'z'], options)
      expect(run.code, run.stderr).toBe(3)
      expect(run.stderr).toMatch(/warning: shut was not pushed: .*permission denied/)
      expect(resultOf(await runCli(['ls', '--json'], options))).toMatchObject({ names: [{ name: 'a' }, { name: 'z' }] })
      expect((await runCli(['push', 'shut'], options)).code).toBe(1)
    }),
  )
})
