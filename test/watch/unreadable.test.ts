import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'
import { whileWatching } from './running.ts'

const QUICK = ['--settle', '300ms', '--every', '100ms']
/** Permissions bind this user, not root. */
const NOBODY = 65534

test('what can not be read stays as it was, the version says so, and nothing is forgotten for it', () =>
  withSandbox(async sandbox => {
    chmodSync(sandbox.path, 0o777)
    makeTree(sandbox.in('runs'), { 'best.bin': 'best', 'sub/a': 'a', 'log.txt': '0' })
    const rules = [...QUICK, '--keep-last', '1', '--status-file', 'none/status.json', '--metrics-from', '.']
    await whileWatching(
      sandbox,
      ['runs', ...rules],
      async watch => {
        expect((await watch.saved('best.bin')).incomplete).toBeNull()
        chmodSync(sandbox.in('runs/best.bin'), 0)
        chmodSync(sandbox.in('runs/sub'), 0)
        makeTree(sandbox.in('runs'), { 'new.bin': { file: 'new', mode: 0 } })
        writeFileSync(sandbox.in('runs/log.txt'), '1')
        expect((await watch.saved('log.txt')).incomplete).toEqual({ files: 3, carried: 2 })
        const warnings = watch.all('warning').map(({ message }) => String(message))
        for (const told of [
          /^no older version is forgotten while/,
          /^the status file .* can't be written: no such file/,
          /^no metrics are read from/,
        ])
          expect(warnings.filter(warning => told.test(warning))).toHaveLength(1)
        expect(await watch.stop()).toBe(3)
        const { notSaved } = watch.all('result')[0] as unknown as { notSaved: { path: string; kind: string }[] }
        expect(notSaved.map(({ path, kind }) => `${path} ${kind}`).sort()).toEqual(
          ['best.bin', 'new.bin', 'sub'].map(path => `${path} unreadable`),
        )
      },
      {},
      NOBODY,
    )
    const { versions } = await sandbox.json<{ versions: { incomplete: object | null }[] }>('log', 'runs')
    expect(versions.map(({ incomplete }) => incomplete)).toEqual([{ files: 3, carried: 2 }, null])
    await sandbox.ok('pull', 'runs', 'out')
    expect(['best.bin', 'sub/a', 'log.txt'].map(path => readFileSync(sandbox.in('out', path), 'utf8'))).toEqual(['best', 'a', '1'])
  }))
