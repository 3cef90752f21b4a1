import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { withSandbox } from '../helpers/cli.ts'
import { makeTree, pictureOf } from '../helpers/trees.ts'
import { contentOf, expectCode, onLinux, windowsNode } from './windows.ts'

/** Holds a file open, as a viewer does, until there is another one. */
const HOLD = `
const fs = require('fs')
const [file, held, end] = process.argv.slice(1)
fs.openSync(file, 'r')
fs.writeFileSync(held, '')
setInterval(() => fs.existsSync(end) && process.exit(), 50)
`

const SOON = { timeout: 60_000, interval: 50 }

describe('files that another program uses', () => {
  test('a pull that can not replace one says so and leaves it whole; the next one goes on', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'sub/open.txt': 'old', 'other.txt': 'o' })
      await onLinux(sandbox, 'push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      writeFileSync(sandbox.in('data/sub/open.txt'), 'newer')
      await onLinux(sandbox, 'push', 'data')
      const [file, held, end] = [sandbox.in('out/sub/open.txt'), sandbox.in('held'), sandbox.in('end')]
      const holder = spawn(windowsNode, ['-e', HOLD, file, held, end], { cwd: sandbox.path, stdio: 'ignore' })
      try {
        await vi.waitFor(() => expect(existsSync(held)).toBe(true), SOON)
        const text = expectCode(await sandbox.run(['pull', 'data', 'out']), 3)
        expect(text).toMatch(/sub\/open\.txt was not restored: another program has it open/)
        expect(text).toMatch(/Close the program that has it open/)
        expect(readFileSync(file, 'utf8')).toBe('old')
      } finally {
        writeFileSync(end, '')
        await new Promise(resolve => (holder.exitCode === null ? holder.once('exit', resolve) : resolve(undefined)))
      }
      await sandbox.ok('pull', 'data', 'out', '--delete')
      expect(contentOf(sandbox.in('out'))).toEqual(contentOf(sandbox.in('data')))
    }))

  test('a watch that Windows ends at once has lost no version that it made', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { 'a.bin': 'first', 'sub/b.bin': 'second' })
      const env = { ...process.env, COLAB_ESCAPE_STORE: undefined, COLAB_ESCAPE_CACHE: sandbox.in('cache'), NO_COLOR: '1' }
      const program = new URL('../../bin/colab-escape.cjs', import.meta.url).pathname
      const watch = spawn(windowsNode, [program, 'watch', 'runs', '--every', '1s', '--settle', '0s', '--store', sandbox.store], {
        cwd: sandbox.path,
        env,
        stdio: 'ignore',
      })
      try {
        await vi.waitFor(() => expect([...pictureOf(sandbox.store).keys()].some(name => name.startsWith('snapshot'))).toBe(true), SOON)
      } finally {
        watch.kill('SIGTERM') // what runs it turns this into the end that Windows' own kill is
        await new Promise(resolve => watch.once('exit', resolve))
      }
      await onLinux(sandbox, 'check', '--read-data')
      await onLinux(sandbox, 'pull', 'runs', 'back')
      expect(contentOf(sandbox.in('back'))).toEqual(contentOf(sandbox.in('runs')))
      expect(await sandbox.json('push', 'runs')).toMatchObject({ outcome: 'unchanged' })
    }))
})
