// Uses the package as a stranger does, without network: `npm run test:package`. Arguments are versions of Node, such as
// 20 22 24; default: this one.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

interface Tarball {
  path: string
  filename: string
  /** Bytes. */
  size: number
  entryCount: number
  files: { path: string }[]
}

/** Packs `dist` and all that belongs to it into a tarball in `folder`. */
export function packInto(folder: string): Tarball {
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT, encoding: 'utf8' })
  const [about] = JSON.parse(output) as [Omit<Tarball, 'path'>]
  return { ...about, path: join(folder, about.filename) }
}

/**
 * Pushes, lists and pulls with `npx` of the tarball, from an empty folder, with an empty cache of npm, on the Node in
 * the folder `bin`. Returns all that was printed.
 */
function useOffline(tarball: string, folder: string, bin: string): string {
  mkdirSync(join(folder, 'data'), { recursive: true })
  const content = Array.from({ length: 20_000 }, (_, i) => `${i},${(i * 48271) % 2147483647}\n`).join('')
  writeFileSync(join(folder, 'data', 'numbers.csv'), content)
  const env = {
    ...process.env,
    PATH: bin + delimiter + String(process.env.PATH),
    npm_config_cache: join(folder, 'npm-cache'),
    npm_config_offline: 'true',
    COLAB_ESCAPE_CACHE: join(folder, 'cache'),
    COLAB_ESCAPE_STORE: join(folder, 'store'),
    NO_COLOR: '1',
  }
  const work = join(folder, 'empty')
  mkdirSync(work)
  const run = (...args: string[]): string => {
    const npx = ['npx', '--yes', '--package', tarball, 'colab-escape', ...args]
    const [command, ...rest] = withoutNetwork() ? ['unshare', '--map-root-user', '--net', ...npx] : npx
    return execFileSync(command!, rest, { cwd: work, env, encoding: 'utf8' })
  }
  const pushed = run('push', join(folder, 'data'))
  const listed = run('log')
  const pulled = run('pull', 'data', 'back')
  if (readFileSync(join(work, 'back', 'numbers.csv'), 'utf8') !== content) throw new Error('what was pulled differs from what was pushed')
  if (readdirSync(work).join() !== 'back') throw new Error(`something was left behind: ${readdirSync(work).join()}`)
  return pushed + listed + pulled
}

let unshares: boolean | undefined

/** Whether processes can be cut off from the network here. Linux allows it to root, and by configuration to others. */
function withoutNetwork(): boolean {
  unshares ??= spawnSync('unshare', ['--map-root-user', '--net', 'true']).status === 0
  return unshares
}

function binOf(version: string): string {
  const print = ['-y', '-p', `node@${version}`, 'node', '-p', 'process.execPath']
  return dirname(execFileSync('npx', print, { encoding: 'utf8' }).trim())
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = mkdtempSync(join(tmpdir(), 'colab-escape-package-'))
  try {
    const { path, filename, size, entryCount } = packInto(folder)
    console.log(`${filename}: ${(size / 1e6).toFixed(2)} MB, ${entryCount} files`)
    const versions = process.argv.slice(2)
    const bins = versions.length > 0 ? versions.map(binOf) : [dirname(process.execPath)]
    for (const [i, bin] of bins.entries()) {
      const node = execFileSync(join(bin, 'node'), ['--version'], { encoding: 'utf8' }).trim()
      console.log(`\nNode ${node}, ${withoutNetwork() ? 'no network' : 'npm offline'}\n${useOffline(path, join(folder, String(i)), bin)}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
