import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Snapshot } from '../../src/repository/format/snapshot.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { rescue } from '../golden/rescue-runs.ts'
import { expectError, resultOf, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { withTmpfs } from '../helpers/mounts.ts'
import { plantedObjects, writeObjects } from '../helpers/plant.ts'
import { makeTree } from '../helpers/trees.ts'

const EVIL = Buffer.from('echo pwned')
const STOCK = Buffer.from('# ~/.bashrc, as every new user has it')

const file = (path: string, content: Uint8Array): object => ({
  path,
  type: 'file',
  mode: '644',
  mtime: '0',
  size: content.length,
  chunks: [sha256Hex(content)],
})

/** Two versions of `model`: the content that everybody has, then another. */
function plant(sandbox: Sandbox, name: string, type: 'file' | 'directory', source = `/home/eve/${name}`): void {
  for (const [i, content] of [STOCK, EVIL].entries()) {
    const time = Date.now() - 10_000 + i * 1000
    const snapshot: Partial<Snapshot> = { name: 'model', source: { path: source, type }, time, listed: time }
    writeObjects(sandbox.store, plantedObjects({ manifest: `${JSON.stringify(file(name, content))}\n`, chunks: [STOCK, EVIL], snapshot }))
  }
}

function home(sandbox: Sandbox, files: Record<string, Uint8Array>) {
  makeTree(sandbox.in('home'), files)
  return { cwd: sandbox.in('home'), env: { HOME: sandbox.in('home') } }
}

describe('A version of a single file becomes only a file that a person would expect', () => {
  test('no hidden file, whether it is there or not', () =>
    withSandbox(async sandbox => {
      plant(sandbox, '.bashrc', 'file')
      const at = home(sandbox, { '.bashrc': STOCK })
      const { hint } = expectError(
        await sandbox.run(['pull', 'model'], at),
        1,
        /is called "\.bashrc", which is hidden; nothing was written/,
      )
      expect(hint).toMatch(/colab-escape pull model@[0-9a-f]{8} NAME$/)
      expect(readFileSync(sandbox.in('home', '.bashrc')).equals(STOCK)).toBe(true)
      mkdirSync(sandbox.in('new'))
      expectError(await sandbox.run(['pull', 'model', '../new'], at), 1, /which is hidden/)
      expect(readdirSync(sandbox.in('new'))).toEqual([])
      const named = await sandbox.run(['--json', 'pull', 'model', 'rc.txt'], at)
      expect(resultOf(named)).toMatchObject({ destination: sandbox.in('home', 'rc.txt'), written: 1 })
    }))

  test('none with another name than its source', () =>
    withSandbox(async sandbox => {
      plant(sandbox, 'sitecustomize.py', 'file', '/home/eve/model.pt')
      expectError(await sandbox.run(['pull', 'model'], home(sandbox, {})), 1, /but its source was called "model\.pt"/)
      expect(readdirSync(sandbox.in('home'))).toEqual([])
    }))

  test('it replaces no file that neither the command names nor this machine has pushed, whatever the repository holds', () =>
    withSandbox(async sandbox => {
      plant(sandbox, 'Makefile', 'file')
      const at = home(sandbox, { Makefile: STOCK })
      const { list } = expectError(await sandbox.run(['pull', 'model'], at), 8, /that the command does not name/)
      expect(list).toEqual([sandbox.in('home', 'Makefile')])
      expect(readFileSync(sandbox.in('home', 'Makefile')).equals(STOCK)).toBe(true)
      const named = await sandbox.run(['pull', 'model', 'Makefile'], at)
      expect(named.code, named.stderr).toBe(0)
      expect(named.stdout).toContain(`into ${sandbox.in('home', 'Makefile')}\n`)
    }))

  test('the receipt names the file, and a later pull over it needs no force', () =>
    withSandbox(async sandbox => {
      plant(sandbox, 'model.pt', 'file')
      const at = home(sandbox, {})
      const first = await sandbox.run(['pull', 'model~1'], at)
      expect(first.stdout).toContain(`into ${sandbox.in('home', 'model.pt')}\n`)
      expect((await sandbox.run(['pull', 'model'], at)).code).toBe(0)
      expect(readFileSync(sandbox.in('home', 'model.pt')).equals(EVIL)).toBe(true)
    }))

  test.each([[[file('a', EVIL), file('b', EVIL)]], [[{ path: 'a', type: 'directory', mode: '755', mtime: '0' }]]])(
    'and no more than one: rescue.py refuses it too (%#)',
    rows =>
      withSandbox(async sandbox => {
        const manifest = rows.map(row => `${JSON.stringify(row)}\n`).join('')
        writeObjects(sandbox.store, plantedObjects({ manifest, chunks: [EVIL], snapshot: { source: { path: '/a', type: 'file' } } }))
        expectError(await sandbox.run(['pull', 'data', 'out/']), 7, /it is not that of a single file/)
        const run = await rescue(sandbox.store, 'restore', 'data', sandbox.in('out'))
        expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('it is not that of a single file')])
        expect(existsSync(sandbox.in('out'))).toBe(false)
      }),
  )
})

describe('A pull into the home folder or the current one replaces no hidden file that this machine has not pushed from there', () => {
  test.each(['.', '../home'])('into %s', destination =>
    withSandbox(async sandbox => {
      plant(sandbox, '.bashrc', 'directory')
      const at = home(sandbox, { '.bashrc': STOCK })
      expectError(await sandbox.run(['pull', 'model', destination], at), 8, /that the command does not name/)
      expectError(await sandbox.run(['pull', 'model', sandbox.in('home')], { ...at, cwd: sandbox.path }), 8, /does not name/)
      expect(readFileSync(sandbox.in('home', '.bashrc')).equals(STOCK)).toBe(true)
      expect((await sandbox.run(['pull', 'model', destination, '--force'], at)).code).toBe(0)
    }),
  )

  test('nor does --delete delete one', () =>
    withSandbox(async sandbox => {
      plant(sandbox, 'a.txt', 'directory')
      const manifest = `${JSON.stringify(file('.bashrc', STOCK))}\n`
      const time = Date.now() - 60_000
      writeObjects(sandbox.store, plantedObjects({ manifest, chunks: [STOCK], snapshot: { name: 'model', time, listed: time } }))
      const at = home(sandbox, { '.bashrc': STOCK })
      expectError(await sandbox.run(['pull', 'model', '.', '--delete'], at), 8, /that the command does not name/)
      expect(existsSync(sandbox.in('home', '.bashrc'))).toBe(true)
    }))

  test('own ones are replaced as ever: pushed from there, or in any other folder', () =>
    withSandbox(async sandbox => {
      const at = home(sandbox, { '.rc': STOCK })
      utimesSync(sandbox.in('home', '.rc'), 1e9, 1e9)
      await new Promise(resolve => setTimeout(resolve, 2100)) // a file that has just changed is not noted
      expect((await sandbox.run(['push', '.', '--name', 'dots'], at)).code).toBe(0)
      makeTree(sandbox.in('elsewhere'), { '.rc': EVIL })
      await sandbox.ok('push', 'elsewhere', '--name', 'dots')
      const run = await sandbox.run(['pull', 'dots', '.'], at)
      expect(run.code, run.stderr).toBe(0)
      expect(readFileSync(sandbox.in('home', '.rc')).equals(EVIL)).toBe(true)
      await sandbox.ok('pull', 'dots~1', 'elsewhere')
      expect(readFileSync(sandbox.in('elsewhere', '.rc')).equals(STOCK)).toBe(true)
    }))
})

test('A pull tells that symlinks of the version point outside the destination', () =>
  withSandbox(async sandbox => {
    const link = (path: string, target: string): object => ({ path, type: 'symlink', mode: '777', mtime: '0', target })
    const rows = [link('a', '/root/.ssh/authorized_keys'), link('b', '../../etc/passwd'), link('c', 'a')]
    writeObjects(sandbox.store, plantedObjects({ manifest: rows.map(row => `${JSON.stringify(row)}\n`).join('') }))
    const run = await sandbox.ok('pull', 'data', 'out')
    expect(run.stderr).toContain(`note: 2 symlinks of the version point outside ${sandbox.in('out')}`)
  }))

describe('A pull that would fill the disk from next to nothing asks first', () => {
  const MiB = 1 << 20
  const large = (content: Uint8Array, times: number): string => {
    const rows: object[] = []
    const chunks = Array<string>(Math.min(1024, times)).fill(sha256Hex(content))
    rows.push({ ...file('large', content), size: content.length * times, chunks })
    for (let part = 1; part * 1024 < times; part++)
      rows.push({ path: 'large', part, chunks: Array<string>(Math.min(1024, times - part * 1024)).fill(sha256Hex(content)) })
    return rows.map(row => `${JSON.stringify(row)}\n`).join('')
  }

  test('a small repository of a large file, before the first write, also in rescue.py', () =>
    withTmpfs(64 * MiB, ({ path }) =>
      withSandbox(async sandbox => {
        const ones = Buffer.alloc(64 * 1024, 1)
        writeObjects(sandbox.store, plantedObjects({ manifest: large(ones, 20_000), chunks: [ones] }))
        const { hint } = expectError(await sandbox.run(['pull', 'data', 'out']), 1, /more than 100 times what the repository holds/)
        expect(hint).toContain('--allow-growth')
        expectError(await sandbox.run(['pull', 'data', 'out', '--force']), 1, /more than 100 times/)
        expect((await sandbox.run(['pull', 'data', 'out', '--dry-run'])).stderr).toMatch(/^warning: .* more than 100 times/m)
        expectError(await sandbox.run(['pull', 'data', `${path}/out`, '--allow-growth']), 6, /can be used/)
        expect([existsSync(sandbox.in('out')), readdirSync(path)]).toEqual([false, []])
        const grows = await rescue(sandbox.store, 'restore', 'data', sandbox.in('out'))
        expect([grows.code, grows.stderr]).toEqual([1, expect.stringContaining('add --allow-growth')])
        const full = await rescue(sandbox.store, 'restore', '--allow-growth', 'data', `${path}/out`)
        expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('do not fit')])
        expect([existsSync(sandbox.in('out')), readdirSync(path)]).toEqual([false, []])
      }),
    ))

  test('holes take no space, so a large file of zeros is no such case', () =>
    withTmpfs(64 * MiB, ({ path }) =>
      withSandbox(async sandbox => {
        const zeros = Buffer.alloc(MiB)
        writeObjects(sandbox.store, plantedObjects({ manifest: large(zeros, 1200), chunks: [zeros] }))
        await sandbox.ok('pull', 'data', `${path}/out`)
        expect((await rescue(sandbox.store, 'restore', 'data', `${path}/rescued`)).code).toBe(0)
        for (const out of ['out', 'rescued']) {
          const { size, blocks } = statSync(`${path}/${out}/large`)
          expect([size, blocks]).toEqual([1200 * MiB, 0])
        }
      }),
    ))
})
