import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'acorn'
import { describe, expect, test } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import { runInPty } from '../helpers/pty.ts'

const SHIM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

interface Result {
  code: number
  stdout: string
  stderr: string
}

function node(...args: string[]): Promise<Result> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, args, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr })
    })
  })
}

/** Runs `use` with the path of a shim that starts `program`, or is not built if there is none. */
function withProgram<T>(program: string | undefined, use: (shim: string) => Promise<T>): Promise<T> {
  return withFolder(folder => {
    const shim = join(folder, 'bin', 'colab-escape.cjs')
    mkdirSync(join(folder, 'bin'))
    copyFileSync(SHIM, shim)
    if (program !== undefined) {
      mkdirSync(join(folder, 'dist'))
      writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
      writeFileSync(join(folder, 'dist', 'cli.js'), program)
    }
    return use(shim)
  })
}

test('an old parser can read it', () => {
  const source = readFileSync(SHIM, 'utf8')
  expect(source.startsWith('#!/usr/bin/env node\n')).toBe(true)
  expect(() => parse(source, { ecmaVersion: 5, sourceType: 'script', allowHashBang: true })).not.toThrow()
})

describe('the version of Node', () => {
  const pretend = (version: string, shim: string) =>
    node('-e', `Object.defineProperty(process, 'versions', { value: { node: '${version}' } }); require(${JSON.stringify(shim)})`)

  test.each(['0.10.48', '4.9.1', '18.20.8', '20.18.3'])('%s is refused in one line', async version => {
    await withProgram('console.log("started")', async shim => {
      const { code, stdout, stderr } = await pretend(version, shim)
      expect(code).toBe(1)
      expect(stdout).toBe('')
      expect(stderr).toMatch(/^[^\n]*\n$/)
      expect(stderr).toContain(`colab-escape needs Node 20.19 or newer; this is Node ${version}. Install a newer Node,`)
    })
  })

  test.each(['20.19.0', '22.0.0', '100.1.0'])('%s is welcome', async version => {
    await withProgram('console.log("started")', async shim => {
      expect(await pretend(version, shim)).toEqual({ code: 0, stdout: 'started\n', stderr: '' })
    })
  })
})

test('hands over arguments and exit code, also through a link as npm makes it', async () => {
  await withProgram('console.log(process.argv.slice(2).join("|")); process.exitCode = 5', async shim => {
    const link = join(shim, '..', 'link')
    symlinkSync(shim, link)
    for (const path of [shim, link])
      expect(await node(path, 'push', './data 1')).toEqual({ code: 5, stdout: 'push|./data 1\n', stderr: '' })
  })
})

test('says in one line that a clone is not built', async () => {
  await withProgram(undefined, async shim => {
    const { code, stdout, stderr } = await node(shim)
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^colab-escape is not built yet: .*npm run build.*\n$/)
  })
})

describe('the width of the terminal', () => {
  const program = `
    const widths = () => console.log(process.stdout.columns, process.stderr.columns)
    widths()
    process.kill(process.pid, 'SIGWINCH')
    setTimeout(widths, 100)`

  test('is 80 on a terminal without a size, also after a resize', async () => {
    await withProgram(program, async shim => {
      const { output } = await runInPty(process.execPath, [shim], { size: { columns: 0, rows: 0 }, env: { NO_COLOR: '1' } })
      expect(output).toBe('80 80\r\n80 80\r\n')
    })
  })

  test('is what the terminal says elsewhere', async () => {
    await withProgram(program, async shim => {
      const { output } = await runInPty(process.execPath, [shim], { size: { columns: 132, rows: 40 }, env: { NO_COLOR: '1' } })
      expect(output).toBe('132 132\r\n132 132\r\n')
    })
  })

  test('follows a resize', async () => {
    const resized = 'process.stdout.columns = 120; console.log(process.stdout.columns)'
    await withProgram(resized, async shim => {
      expect((await runInPty(process.execPath, [shim], { env: { NO_COLOR: '1' } })).output).toBe('120\r\n')
    })
  })
})
