import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PullResult } from '../../src/repository/pull/pull.ts'
import { loadNotedVersion } from '../../src/repository/versions/noted-version.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import type { FileSystem } from '../../src/util/file-system.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { intercepted } from '../helpers/file-system/intercepted.ts'
import { diskAfterPowerLoss, hashOfDisk, makeDisk, type Disk } from '../helpers/file-system/power-loss.ts'
import { Recorded, type Omission } from '../helpers/file-system/recorded.ts'
import { contextOf, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import {
  contentsOfFolder,
  contentsOfVersions,
  contextFor,
  forgetOlder,
  makeSources,
  pruneNow,
  pullTo,
  pushWithCaches,
  show,
} from './commands.ts'

const LONG_MS = 120_000
/** Nothing waits for a disk in these tests. */
const quick = intercepted({ skipsSyncs: true })

let root: string
let sources: string[]
let contentsOf: string[]
beforeAll(() => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'colab-escape-test-'))
  sources = makeSources(root)
  contentsOf = sources.map(contentsOfFolder)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

let folders = 0
/** An absent folder. */
const newPath = (): string => join(root, `${++folders}`)

type Look = (path: string, done: number) => Promise<void>

/**
 * Cuts the power after every event of a recording, `each` times, with other luck each time. Looks once at each disk
 * that this makes between two `ends`. Returns how often the power was cut.
 */
async function cutPower(recorded: Recorded, each: number, ends: readonly number[], look: Look): Promise<number> {
  const chance = seededRandom(recorded.events.length)
  const seen = new Set<string>()
  let cuts = 0
  for (let done = 0; done <= recorded.events.length; done++) {
    for (let i = 0; i < each; i++, cuts++) {
      const disk = diskAfterPowerLoss(recorded, done, i === 0 ? 'all' : i === 1 ? 'nothing' : 'chance', chance)
      const key = `${ends.filter(end => end <= done).length} ${hashOfDisk(disk)}`
      if (seen.has(key)) continue
      seen.add(key)
      await lookAt(disk, done, recorded, look)
    }
  }
  return cuts
}

async function lookAt(disk: Disk, done: number, recorded: Recorded, look: Look): Promise<void> {
  const path = newPath()
  makeDisk(path, disk)
  try {
    await look(path, done)
  } catch (error) {
    throw new Error(`after ${done} of ${recorded.events.length} events: ${String(error)}`, { cause: error })
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

interface Step {
  run: (store: string, fileSystem: FileSystem) => Promise<unknown>
  /** The number of the source that it makes a version of. */
  makes?: number
}

const push = (state: number, name: string, isLive = false): Step => ({
  makes: state,
  run: (store, fileSystem) =>
    pushFolder(contextFor(store, fileSystem), sources[state]!, name, isLive ? { live: { held: new Set(), anyState: () => false } } : {}),
})

/** All that is done to a store, and which of the versions are forgotten by the fifth. */
const STEPS: readonly Step[] = [
  push(0, 'run'),
  push(1, 'run'),
  push(1, 'twin'),
  push(2, 'run', true),
  { run: (store, fileSystem) => forgetOlder(contextFor(store, fileSystem), sources.slice(0, 2)) },
  { run: (store, fileSystem) => pruneNow(contextFor(store, fileSystem)) },
  push(0, 'run'),
]
const FORGETS = 4
const FORGOTTEN = [0, 1]

async function recordStore(omission?: Omission): Promise<{ recorded: Recorded; path: string; ends: number[] }> {
  const path = newPath()
  mkdirSync(path)
  const recorded = new Recorded(path, omission)
  const ends: number[] = []
  for (const { run } of STEPS) {
    await run(join(path, 'store'), recorded.fileSystem)
    ends.push(recorded.events.length)
  }
  return { recorded, path, ends }
}

/** How many versions of each content there must be when the steps below `count` have ended. */
function expectVersions(found: ReadonlyMap<string, string>, count: number, forgetting: boolean): void {
  const contents = [...found.values()]
  for (const state of sources.keys()) {
    const made = STEPS.flatMap(({ makes }, step) =>
      step < count && makes === state && !(forgetting && FORGOTTEN.includes(step)) ? [step] : [],
    )
    const there = contents.filter(content => content === contentsOf[state]).length
    expect(there, `versions of source ${state}`).toBeGreaterThanOrEqual(made.length)
  }
  for (const content of contents) expect(contentsOf).toContain(content)
}

async function tryStore(omission?: Omission, each = 14): Promise<number> {
  const { recorded, ends } = await recordStore(omission)
  return cutPower(recorded, each, ends, async (path, done) => {
    const store = join(path, 'store')
    const ended = ends.filter(end => end <= done).length
    if (ended > 0) expectVersions(await contentsOfVersions(contextFor(store, quick)), ended, ended >= FORGETS)
    const next = STEPS[ended]
    if (!next) return
    await next.run(store, quick)
    expectVersions(await contentsOfVersions(contextFor(store, quick)), ended + 1, ended >= FORGETS)
  })
}

describe('a power loss at any call', () => {
  test(
    'of a push, a step of a watch, a forget or a prune: what was acknowledged is whole, and the same command completes',
    async () => {
      expect(await tryStore()).toBeGreaterThan(1500)
    },
    LONG_MS,
  )

  test.each(['file syncs', 'folder syncs'] as const)(
    'would be noticed without the %s of the store',
    async omission => {
      await expect(tryStore(omission)).rejects.toThrow(/after \d+ of/)
    },
    LONG_MS,
  )
})

/** A store with a version of each source, and of one with a file that is large enough to be resumed. */
async function storeForPulls(): Promise<{ store: string; versions: { id: string; contents: string }[] }> {
  const large = join(newPath(), 'run')
  makeTree(large, { 'large.bin': seededNoise(9, 1_100_000), 'sub/a.txt': 'beside it', 'sub/table.csv': 'once more' })
  const store = newPath()
  const versions: { id: string; contents: string }[] = []
  for (const source of [sources[0]!, sources[1]!, large, sources[2]!]) {
    const { snapshot } = await pushFolder(contextOf(new FolderStorage(store, { fileSystem: quick })), source, 'run')
    versions.push({ id: snapshot!.id, contents: contentsOfFolder(source) })
  }
  return { store, versions }
}

async function tryPulls(omission?: Omission, each = 6): Promise<number> {
  const { store, versions } = await storeForPulls()
  const path = newPath()
  mkdirSync(path)
  const recorded = new Recorded(path, omission)
  const ends: number[] = []
  const pullOne = (id: string, out: string, fileSystem: FileSystem): Promise<PullResult> =>
    pullTo({ ...contextOf(new FolderStorage(store)), fileSystem }, `run@${id}`, join(out, 'made', 'out'))
  for (const { id } of versions) {
    expect(await pullOne(id, path, recorded.fileSystem)).toMatchObject({ isSynced: true, damaged: [] })
    ends.push(recorded.events.length)
  }
  return cutPower(recorded, each, ends, async (disk, done) => {
    const ended = ends.filter(end => end <= done).length
    // the next pull may have begun: it is the same until its first event
    if (ends.includes(done)) expect(contentsOfFolder(join(disk, 'made', 'out'))).toBe(versions[ended - 1]!.contents)
    const next = versions[Math.min(ended, versions.length - 1)]!
    await pullOne(next.id, disk, quick)
    expect(contentsOfFolder(join(disk, 'made', 'out'))).toBe(next.contents)
  })
}

describe('a power loss at any call of a pull', () => {
  test(
    'leaves files that are whole: the same pull completes without --force, and its receipt is true',
    async () => {
      expect(await tryPulls()).toBeGreaterThan(600)
    },
    LONG_MS,
  )

  test.each(['file syncs', 'folder syncs'] as const)(
    'would be noticed without the %s',
    async omission => {
      await expect(tryPulls(omission)).rejects.toThrow(/after \d+ of/)
    },
    LONG_MS,
  )
})

/** What a run of pushes leaves in its caches; the source lies at one path, as a training's does. */
async function tryCaches(each: number): Promise<number> {
  const [path, source] = [newPath(), join(newPath(), 'run')]
  mkdirSync(path)
  const recorded = new Recorded(path)
  const store = newPath()
  const ids: string[] = []
  for (const state of [0, 1]) {
    show(state, source)
    ids.push(await pushWithCaches(contextFor(store, quick), source, path, recorded.fileSystem))
  }
  // all other files are as the caches know them
  writeFileSync(join(source, 'a.txt'), 'changed')
  const contents = contentsOfFolder(source)
  return cutPower(recorded, each, [], async cache => {
    const noted = await loadNotedVersion(join(cache, 'versions', 'run.jsonl'), silentReporter)
    if (noted) expect(ids).toContain(noted.id)
    const copy = newPath()
    cpSync(store, copy, { recursive: true })
    const id = await pushWithCaches(contextFor(copy, quick), source, cache, quick)
    expect((await contentsOfVersions(contextFor(copy, quick))).get(id)).toBe(contents)
    rmSync(copy, { recursive: true })
  })
}

test(
  'caches that a power loss has damaged never lead to wrong content',
  async () => {
    expect(await tryCaches(5)).toBeGreaterThan(80)
  },
  LONG_MS,
)
