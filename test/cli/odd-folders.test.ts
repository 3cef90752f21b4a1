import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { fp32, network, safetensors } from '../helpers/tensors.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'

const NOBODY = 65534

const makeData = (sandbox: Sandbox): void =>
  makeTree(sandbox.in('data'), { 'a.txt': 'a', 'm.safetensors': safetensors(fp32(network(1, [2000]))) })

describe('a folder in which the system makes nothing and answers ENOENT', () => {
  test('ends a pull and an extract with an error, and a push can do without it as a cache', () =>
    withSandbox(async sandbox => {
      makeData(sandbox)
      const env = { COLAB_ESCAPE_CACHE: '/proc/nope/cache' }
      const pushed = await sandbox.run(['push', 'data'], { env })
      expect(pushed.code, pushed.stderr).toBe(0)
      expectError(await sandbox.run(['pull', 'data', '/proc/x/y']), 1, /\/proc\/x\/y can't be written: no such file or directory/)
      await sandbox.ok('compress', 'data', '-o', 'data.zip')
      expectError(
        await sandbox.run(['extract', 'data.zip', 'data.zip']),
        1,
        /Can't extract into .*data\.zip: what is there is not a folder\.$/,
      )
      expectError(await sandbox.run(['extract', 'data.zip', '/proc/x/y']), 1, /Can't extract into \/proc\/x\/y: no such file or directory/)
    }))
})

describe('a cache that can not be used', () => {
  const kinds: Record<string, (cache: string) => void> = {
    'is closed to this user': cache => {
      for (const name of ['files', 'tensors', 'versions']) mkdirSync(join(cache, name), { recursive: true })
      chmodSync(cache, 0o700)
    },
    'shows names, and no more': cache => {
      for (const name of ['files', 'tensors', 'versions']) {
        mkdirSync(join(cache, name), { recursive: true })
        writeFileSync(join(cache, name, 'f'.repeat(64)), 'not for you')
        chmodSync(join(cache, name), 0o744)
      }
    },
    'lies below a file': cache => writeFileSync(dirname(cache), ''),
    'has files for folders': cache => {
      mkdirSync(cache, { recursive: true })
      for (const name of ['files', 'tensors', 'versions']) writeFileSync(join(cache, name), '')
    },
  }

  test.each(Object.entries(kinds))('because it %s makes no command fail', (_, make) =>
    withSandbox(async sandbox => {
      makeData(sandbox)
      mkdirSync(sandbox.in('open'))
      make(sandbox.in('caches/mine'))
      chmodSync(sandbox.path, 0o755)
      chmodSync(sandbox.in('open'), 0o777)
      mkdirSync(sandbox.store, { recursive: true })
      chmodSync(sandbox.store, 0o777)
      const out = sandbox.in('open/out')
      const options = { uid: NOBODY, env: { COLAB_ESCAPE_CACHE: sandbox.in('caches/mine') } }
      for (const args of [
        ['push', 'data'],
        ['push', 'data'],
        ['status', 'data'],
        ['pull', 'data', out],
      ]) {
        const { code, stderr } = await sandbox.run(args, options)
        expect([code, stderr], args.join(' ')).toEqual([0, expect.not.stringContaining('error:')])
      }
      writeFileSync(sandbox.in('data/m.safetensors'), safetensors(fp32(network(2, [2000]))))
      const changed = await sandbox.run(['push', 'data'], options)
      expect(changed.code, changed.stderr).toBe(0)
      expect(readdirSync(sandbox.store).filter(name => name.startsWith('snapshot-'))).toHaveLength(2)
      await sandbox.run(['pull', 'data', out], options)
      expectSameTree(out, sandbox.in('data'))
    }),
  )
})
