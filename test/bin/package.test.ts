import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { packInto } from '../../scripts/try-package.ts'
import { withFolder } from '../helpers/folders.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DIST = join(ROOT, 'dist')
const PROGRAM = join(ROOT, 'bin', 'colab-escape.cjs')

test('the tarball is small, needs no other package, and holds the program, its licences and the way out, no more', () =>
  withFolder(async folder => {
    const { size, files } = packInto(folder)
    expect(size).toBeLessThan(2_000_000)
    const names = files.map(({ path }) => path)
    expect(names.filter(name => !name.startsWith('dist/')).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin/colab-escape.cjs',
      'docs/colab-escape.1',
      'docs/format.md',
      'docs/rescue.py',
      'package.json',
      'python/colab_escape.py',
    ])
    expect(names).toEqual(expect.arrayContaining(['dist/cli.js', 'dist/worker.js', 'dist/THIRD-PARTY-LICENSES.txt']))
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>
    for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies', 'bundleDependencies'])
      expect(manifest).not.toHaveProperty(kind)
  }))

test('every package in the bundle, and what is compiled into one, has its licence text in it', () => {
  const listed = readFileSync(join(DIST, 'THIRD-PARTY-LICENSES.txt'), 'utf8').split(`\n${'-'.repeat(80)}\n\n`)
  const names = listed.map(text => /^(\S+) \d/.exec(text)?.[1])
  const bundled = readdirSync(DIST)
    .filter(file => file.endsWith('.js'))
    // esbuild tells what it wraps, which is nearly all that is CommonJS
    .flatMap(file => [...readFileSync(join(DIST, file), 'utf8').matchAll(/"[^"\n]*node_modules\/((?:@[^/"]+\/)?[^/"]+)\/[^"\n]*"\(/g)])
    .map(([, name]) => name)
  expect(new Set(bundled).size).toBeGreaterThan(50)
  expect(names).toEqual(expect.arrayContaining([...new Set([...bundled, 'commander', 'ora', 'p-limit', 'xxhash-wasm'])]))
  for (const text of listed) expect(text).toMatch(/permi(?:ssion|tted)|licensor/i)
  const codec = listed.find(text => text.startsWith('zstd-codec '))
  for (const inside of ['zstd:', 'Emscripten:', 'musl:']) expect(codec).toContain(inside)
})

describe('what is loaded', () => {
  /** Bytes and files of the bundle that a command loads, and their text. */
  async function loadedBy(...args: string[]): Promise<{ bytes: number; files: number; text: string }> {
    return withFolder(async folder => {
      const coverage = join(folder, 'coverage')
      await promisify(execFile)(process.execPath, [PROGRAM, ...args], {
        cwd: folder,
        env: { ...process.env, NODE_V8_COVERAGE: coverage, COLAB_ESCAPE_CACHE: join(folder, 'cache') },
      })
      const scripts = new Set<string>()
      for (const file of readdirSync(coverage)) {
        const { result } = JSON.parse(readFileSync(join(coverage, file), 'utf8')) as { result: { url: string }[] }
        for (const { url } of result) if (url.startsWith('file:')) scripts.add(fileURLToPath(url))
      }
      const ours = [...scripts].filter(path => path.startsWith(DIST))
      const text = ours.map(path => readFileSync(path, 'utf8')).join('')
      return { bytes: ours.reduce((sum, path) => sum + statSync(path).size, 0), files: ours.length, text }
    })
  }

  test.concurrent.each([['--version'], ['push --help']])('%s needs little more than the options and their help', async command => {
    const { bytes, files } = await loadedBy(...command.split(' '))
    expect(bytes).toBeGreaterThan(10_000)
    expect(bytes).toBeLessThan(140_000)
    expect(files).toBeLessThan(8)
  })

  test.concurrent('a small push to a folder loads nothing of Drive, of archives and of a codec that it does not need', async () => {
    const { bytes, files, text } = await loadedBy('push', ROOT + 'bin', '--store', 'store')
    for (const absent of [
      'node_modules/google',
      'node_modules/zstd-codec',
      'node_modules/undici',
      'node_modules/tar-stream',
      'shares bytes with another entry',
    ])
      expect(text.includes(absent), absent).toBe(false)
    expect(bytes).toBeLessThan(690_000)
    expect(files).toBeLessThan(20)
  })
})
