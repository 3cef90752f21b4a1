import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isPartName } from '../../src/local/part-names.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { describeError } from '../../src/ui/describe-error.ts'
import { AppError, isAppError, type ErrorCode } from '../../src/util/errors.ts'
import type { FileSystem } from '../../src/util/file-system.ts'
import { intercepted, type Call } from '../helpers/file-system/intercepted.ts'
import { contextOf, pushFolder } from '../helpers/in-process.ts'
import { contentsOfFolder, contentsOfVersions, contextFor, forgetOlder, makeSources, pruneNow, pullTo, pushWithCaches } from './commands.ts'

const LONG_MS = 120_000
const quick = intercepted({ skipsSyncs: true })

type Errno = 'ENOSPC' | 'EIO' | 'EACCES' | 'EMFILE'

const GROWS = ['mkdir', 'rename', 'symlink', 'write', 'ftruncate', 'fsync']
const LOOKS_UP = [
  'mkdir',
  'open',
  'opendir',
  'readdir',
  'lstat',
  'rename',
  'symlink',
  'unlink',
  'rm',
  'rmdir',
  'chmod',
  'utimes',
  'lutimes',
  'stat',
]
const READ_ONLY = new Set<unknown>(['r', undefined])

/** Whether a system may answer a call so. */
function mayFail({ name, args }: Call, errno: Errno): boolean {
  if (errno === 'EIO') return true
  if (errno === 'EACCES') return LOOKS_UP.includes(name)
  if (errno === 'EMFILE') return ['open', 'opendir', 'readdir'].includes(name)
  const creates = name === 'open' && (args[1] === 'wx' || (typeof args[1] === 'number' && (args[1] & 0o100) !== 0))
  return creates || (GROWS.includes(name) && !READ_ONLY.has(args[1]))
}

/** Fails the calls that `isDue` names by their numbers, and counts them. */
function failing(errno: Errno, isDue: (number: number) => boolean) {
  const count = { calls: 0, failed: 0 }
  const fileSystem = intercepted({
    skipsSyncs: true,
    before: call => {
      if (!mayFail(call, errno) || !isDue(++count.calls)) return
      count.failed++
      throw Object.assign(new Error(`${errno}: planted, ${call.name} '${call.path}'`), { code: errno, errno: -constants.errno[errno] })
    },
  })
  return { fileSystem, count }
}

let root: string
let sources: string[]
let contentsOf: string[]
/** Two versions of a source, with caches, and pulls of the first. */
let before: string
let first: string
beforeAll(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'colab-escape-test-'))
  sources = makeSources(root)
  contentsOf = sources.map(contentsOfFolder)
  before = join(root, 'before')
  mkdirSync(before)
  const context = contextFor(join(before, 'store'), quick)
  first = await pushWithCaches(context, sources[0]!, join(before, 'cache'), quick)
  await pushWithCaches(context, sources[1]!, join(before, 'cache'), quick)
  await pullTo(context, `run@${first}`, join(before, 'out'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Command {
  run: (place: string, fileSystem: FileSystem) => Promise<unknown>
  /** What must hold when it has ended well. */
  expectDone: (place: string) => Promise<void>
  /** Whether a rerun begins with an empty place. */
  isFresh?: boolean
}

const versionsIn = async (place: string): Promise<string[]> => [
  ...(await contentsOfVersions(contextFor(join(place, 'store'), quick))).values(),
]
const expectVersions = async (place: string, states: readonly number[]): Promise<void> =>
  expect((await versionsIn(place)).sort()).toEqual(states.map(state => contentsOf[state]!).sort())
const storeOf = (place: string, fileSystem: FileSystem) => contextFor(join(place, 'store'), fileSystem)

const COMMANDS: Record<string, Command> = {
  'first push': {
    isFresh: true,
    run: (place, fileSystem) => pushWithCaches(storeOf(place, fileSystem), sources[0]!, join(place, 'cache'), fileSystem),
    expectDone: place => expectVersions(place, [0]),
  },
  'later push': {
    run: (place, fileSystem) => pushWithCaches(storeOf(place, fileSystem), sources[2]!, join(place, 'cache'), fileSystem),
    expectDone: place => expectVersions(place, [0, 1, 2]),
  },
  'step of a watch': {
    run: (place, fileSystem) =>
      pushFolder(storeOf(place, fileSystem), sources[2]!, 'run', { live: { held: new Set(), anyState: () => false } }),
    expectDone: place => expectVersions(place, [0, 1, 2]),
  },
  forget: {
    run: (place, fileSystem) => forgetOlder(storeOf(place, fileSystem), sources.slice(0, 1)),
    expectDone: place => expectVersions(place, [1]),
  },
  prune: {
    run: (place, fileSystem) => pruneNow(storeOf(place, fileSystem)),
    expectDone: place => expectVersions(place, [0, 1]),
  },
  'first pull': {
    run: (place, fileSystem) => pullInto(place, 'new', fileSystem),
    expectDone: place => Promise.resolve(expect(contentsOfFolder(join(place, 'new'))).toBe(contentsOf[1])),
  },
  'pull over another version': {
    run: (place, fileSystem) => pullInto(place, 'out', fileSystem),
    expectDone: place => Promise.resolve(expect(contentsOfFolder(join(place, 'out'))).toBe(contentsOf[1])),
  },
}

/** Reading the store is what other commands show: only the calls of the destination fail. */
async function pullInto(place: string, name: string, fileSystem: FileSystem): Promise<void> {
  const { plan } = await pullTo({ ...contextOf(new FolderStorage(join(place, 'store'))), fileSystem }, 'run', join(place, name))
  const { found, cures } = plan.refused
  // what one entry meets does not end the pull: it is listed
  if (found.length > 0)
    throw new AppError('io', found.map(({ path, why }) => `${path}: ${why}`).join('\n'), { hint: [...cures].join('\n') })
}

const CODES: Record<Errno, ErrorCode[]> = {
  ENOSPC: ['quota'],
  EIO: ['io'],
  EACCES: ['denied', 'io'],
  EMFILE: ['io'],
}

/** Runs a command with faults; then expects that nothing is lost, and that the command completes without them. */
async function tryOne(command: Command, errno: Errno, isDue: (number: number) => boolean): Promise<'not reached' | 'failed' | 'done'> {
  const place = join(root, 'place')
  rmSync(place, { recursive: true, force: true })
  if (command.isFresh) mkdirSync(place)
  else cpSync(before, place, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  const { fileSystem, count } = failing(errno, isDue)
  let error: unknown
  try {
    await command.run(place, fileSystem)
  } catch (thrown) {
    error = thrown
  }
  if (count.failed === 0) return 'not reached'
  if (error !== undefined) {
    expectClear(error, errno)
    if (errno === 'ENOSPC') expect(partsBelow(place)).toEqual([])
    if (!command.isFresh) for (const content of await versionsIn(place)) expect(contentsOf).toContain(content)
    await command.run(place, quick)
  }
  await command.expectDone(place)
  return error === undefined ? 'done' : 'failed'
}

function expectClear(error: unknown, errno: Errno): void {
  expect(isAppError(error), String((error as Error).stack)).toBe(true)
  const { code, hint, message } = describeError(error)
  expect(CODES[errno], message).toContain(code)
  expect(hint).not.toBe('')
}

const partsBelow = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[]).filter(path => isPartName(path.split('/').at(-1)!))

test.each(Object.keys(COMMANDS))(
  '%s: any call may fail, with a clear error or none, and then the same command completes',
  async name => {
    const outcomes = { failed: 0, done: 0 }
    // the first two at every call; the others, which take the same ways, at every third
    for (const [errno, lasts, step] of [
      ['ENOSPC', false, 1],
      ['EIO', false, 1],
      ['ENOSPC', true, 3],
      ['EACCES', false, 3],
      ['EMFILE', false, 3],
    ] as const) {
      for (let n = 1; ; n += step) {
        const outcome = await tryOne(COMMANDS[name]!, errno, number => (lasts ? number >= n : number === n)).catch((cause: unknown) => {
          throw new Error(`${errno} at call ${n}${lasts ? ' and later' : ''}: ${String(cause)}`, { cause })
        })
        if (outcome === 'not reached') break
        outcomes[outcome]++
      }
    }
    expect(outcomes.failed).toBeGreaterThan(10)
  },
  LONG_MS,
)
