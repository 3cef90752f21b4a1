import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from './measure.ts'

const PROGRAM = fileURLToPath(new URL('../bin/colab-escape.cjs', import.meta.url))

/** A tool that is compared. It works in a folder `place` of its own. Versions have numbers from 1. */
export interface Tool {
  id: string
  label: string
  /** Undefined: not installed. */
  version: string | undefined
  /** So slow that it runs only once. */
  once?: true
  /** Makes a repository, if the tool needs one. */
  init?: (place: string) => Command
  push: (place: string, source: string, number: number) => Command
  pull: (place: string, number: number, target: string) => Command
  /** The path of what it stores. */
  store: (place: string) => string
}

export function findTools(): Tool[] {
  const slow = [borg(19), zpaq('m3'), allZstd('-19', '--long=27')].map(tool => ({ ...tool, once: true as const }))
  return [...colabEscapes(), ...['auto', 'max'].map(restic), borg(3), ...[1, 2].map(tarZstd), zpaq('m1'), allZstd('-3'), ...slow]
}

function colabEscapes(): Tool[] {
  const own = { node: process.execPath, version: process.versions.node }
  const node24 = own.version.startsWith('24.') ? [] : [findNode('24')]
  return [own, ...node24].map(({ node, version }) => {
    const run = (place: string, ...argv: string[]): Command => ({
      argv: [node, PROGRAM, ...argv, '--store', join(place, 'repository'), '--quiet'],
      cwd: place,
      env: { COLAB_ESCAPE_CACHE: join(place, 'cache'), COLAB_ESCAPE_ZSTD: '' },
    })
    const major = version?.split('.')[0] ?? '24'
    return {
      id: `node${major}`,
      label: `**colab-escape**, Node ${major}`,
      version: version && `Node ${version}`,
      push: (place, source) => run(place, 'push', source, '--name', 'project'),
      pull: (place, _number, target) => run(place, 'pull', 'project', target),
      store: place => join(place, 'repository'),
    }
  })
}

/**
 * The binary of a major version of Node: the one that runs this, or what npx brings. npx is asked once, so that its own
 * start is not measured.
 */
export function findNode(major: string): { node: string; version: string | undefined } {
  if (process.versions.node.startsWith(`${major}.`)) return { node: process.execPath, version: process.versions.node }
  const { stdout, status } = spawnSync(
    'npx',
    ['-y', '-p', `node@${major}`, 'node', '-p', '[process.execPath, process.versions.node].join()'],
    {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  )
  if (status !== 0) return { node: 'node', version: undefined }
  const [node = 'node', version] = stdout.trim().split('\n').at(-1)!.split(',')
  return { node, version }
}

function restic(compression: string): Tool {
  const env = (place: string): Record<string, string> => ({
    RESTIC_PASSWORD: 'bench',
    RESTIC_REPOSITORY: join(place, 'repository'),
    RESTIC_CACHE_DIR: join(place, 'cache'),
  })
  return {
    id: `restic-${compression}`,
    label: `restic, compression ${compression}`,
    version: versionOf('restic', ['version']),
    init: place => ({ argv: ['restic', 'init', '--quiet'], env: env(place) }),
    push: (place, source) => ({ argv: ['restic', 'backup', '--quiet', '--compression', compression, '.'], cwd: source, env: env(place) }),
    pull: (place, _number, target) => ({ argv: ['restic', 'restore', 'latest', '--quiet', '--target', target], env: env(place) }),
    store: place => join(place, 'repository'),
  }
}

function borg(level: number): Tool {
  const env = (place: string): Record<string, string> => ({
    BORG_REPO: join(place, 'repository'),
    BORG_BASE_DIR: join(place, 'base'),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
  })
  return {
    id: level === 3 ? 'borg' : `borg-${level}`,
    label: `borg, zstd,${level}`,
    version: versionOf('borg', ['--version']),
    init: place => ({ argv: ['borg', 'init', '--encryption', 'none'], env: env(place) }),
    push: (place, source, number) => ({
      argv: ['borg', 'create', '--compression', `zstd,${level}`, `::v${number}`, '.'],
      cwd: source,
      env: env(place),
    }),
    pull: (place, number, target) => ({ argv: ['borg', 'extract', `::v${number}`], cwd: target, env: env(place) }),
    store: place => join(place, 'repository'),
  }
}

/** Without versions: every push makes an archive of everything. */
function tarZstd(threads: number): Tool {
  const archive = (place: string, number: number): string => join(place, `v${number}.tar.zst`)
  const pipe = (script: string, ...argv: string[]): Command => ({ argv: ['sh', '-c', script, 'sh', ...argv] })
  return {
    id: `tar-t${threads}`,
    label: `tar \\| zstd -3 -T${threads}, each version whole`,
    version: bothOf(versionOf('tar', ['--version']), versionOf('zstd', ['--version'])),
    push: (place, source, number) => pipe(`tar -cf - -C "$1" . | zstd -q -3 -T${threads} -o "$2"`, source, archive(place, number)),
    pull: (place, number, target) => pipe('zstd -q -d -c "$1" | tar -xf - -C "$2"', archive(place, number), target),
    store: place => place,
  }
}

/**
 * Makes one archive of all versions so far at each push: the smallest size if nothing else counts. Versions lie side
 * by side.
 */
function allZstd(...flags: [string, ...string[]]): Tool {
  const archive = (place: string): string => join(place, 'all.tar.zst')
  const script = `dir=$1; shift; out=$1; shift; tar -cf - -C "$dir" "$@" | zstd -q -f ${flags.join(' ')} -T2 -o "$out"`
  return {
    id: `all${flags[0]}`,
    label: `all versions in one tar \\| zstd ${flags.join(' ')} -T2`,
    version: bothOf(versionOf('tar', ['--version']), versionOf('zstd', ['--version'])),
    push: (place, source, number) => {
      const versions = Array.from({ length: number }, (_, i) => `v${i + 1}`)
      return { argv: ['sh', '-c', script, 'sh', dirname(source), archive(place), ...versions] }
    },
    pull: (place, number, target) => {
      const extract = 'zstd -q -d --long=27 -c "$1" | tar -xf - -C "$2" --strip-components=1 "$3"'
      return { argv: ['sh', '-c', extract, 'sh', archive(place), target, `v${number}`] }
    },
    store: archive,
  }
}

function zpaq(method: string): Tool {
  const archive = (place: string): string => join(place, 'repository.zpaq')
  return {
    id: `zpaq-${method}`,
    label: `zpaq -${method}`,
    version: versionOf('zpaq', []),
    push: (place, source) => ({ argv: ['zpaq', 'add', archive(place), '.', `-${method}`], cwd: source }),
    pull: (place, _number, target) => ({ argv: ['zpaq', 'extract', archive(place), '-to', `${target}/`] }),
    store: archive,
  }
}

/** Name and version number that a program prints; undefined if it is not installed, or does not run. */
export function versionOf(command: string, argv: string[]): string | undefined {
  const { error, stdout, status } = spawnSync(command, argv, { encoding: 'utf8' })
  const number = /\d+(\.\d+)+/.exec(stdout)?.[0]
  // without arguments zpaq prints its version and fails
  if (error || number === undefined || (status !== 0 && argv.length > 0)) return undefined
  return `${command} ${number}`
}

const bothOf = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || b === undefined ? undefined : `${a}, ${b}`
