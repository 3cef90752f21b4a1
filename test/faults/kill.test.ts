import { cpSync, existsSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FolderStorage } from '../../src/storage/folder.ts'
import { runCli, type CliOptions, type CliResult } from '../helpers/cli.ts'
import { checkAll, contextOf, pullVersion } from '../helpers/in-process.ts'
import { seededNoise, seededRandom, seededText } from '../helpers/seeded.ts'
import { expectSameTree, expectWholeFiles, makeTree, pictureOf, type TreePicture } from '../helpers/trees.ts'

const MiB = 1024 * 1024
/** Kills at random moments, and how often a kill that is aimed at a phase may miss it. */
const RANDOM_KILLS = 3
const TRIES = 30
/** Dozens of commands one after the other, on a machine that may have other work to do. */
const LONG_MS = 240_000

const names = (folder: string, prefix: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter(name => name.startsWith(prefix)) : []

const bytesIn = (folder: string, prefix: string): number =>
  names(folder, prefix).reduce((sum, name) => sum + lstatSync(join(folder, name)).size, 0)

async function expectUndamaged(store: string): Promise<void> {
  const { problems, affected, packs, packsRead } = await checkAll(contextOf(new FolderStorage(store)))
  expect([problems, affected]).toEqual([[], []])
  expect(packsRead).toBe(packs)
}

async function expectVersion(store: string, version: string, folder: string, expected: TreePicture): Promise<void> {
  const { damaged } = await pullVersion(contextOf(new FolderStorage(store)), version, folder)
  expect(damaged).toEqual([])
  expectSameTree(folder, expected)
  rmSync(folder, { recursive: true })
}

/** The store before the killed run, and the store after an undisturbed run. */
interface Scene {
  base: string
  basePacks: number
  old: TreePicture | undefined
  new: TreePicture
  cleanPacks: number
  cleanBytes: number
  cleanMs: number
}

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'colab-escape-test-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const cli = (args: string[], options: CliOptions = {}): Promise<CliResult> =>
  runCli(args, { ...options, cwd: root, env: { COLAB_ESCAPE_CACHE: join(root, 'cache') } })

const SECOND_VERSION = {
  'big.bin': seededNoise(1, 11 * MiB),
  'table.csv': seededText(2, MiB / 4),
  ...Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`many/${i}.txt`, `number ${i}`])),
}

async function prepare(withOldVersion: boolean): Promise<Scene> {
  const scene = join(root, withOldVersion ? 'later' : 'first')
  const source = join(scene, 'data')
  const base = join(scene, 'base')
  let old: TreePicture | undefined
  if (withOldVersion) {
    makeTree(source, { 'old.txt': 'old', 'big.bin': seededNoise(9, MiB), 'many/0.txt': 'was another' })
    old = pictureOf(source)
    expect((await cli(['push', source, '--store', base])).code).toBe(0)
    rmSync(join(source, 'old.txt'))
  }
  makeTree(source, SECOND_VERSION)
  const clean = join(scene, 'clean')
  if (withOldVersion) cpSync(base, clean, { recursive: true })
  const started = performance.now()
  expect((await cli(['push', source, '--store', clean])).code).toBe(0)
  const cleanMs = performance.now() - started
  return {
    base,
    basePacks: names(base, 'pack-').length,
    old,
    new: pictureOf(source),
    cleanPacks: names(clean, 'pack-').length,
    cleanBytes: bytesIn(clean, 'pack-'),
    cleanMs,
  }
}

type PushPhase = 'before the first pack' | 'during packs' | 'between packs and snapshot' | 'after the snapshot'

function phaseOf(scene: Scene, store: string): PushPhase {
  if (names(store, 'snapshot-').length > names(scene.base, 'snapshot-').length) return 'after the snapshot'
  const packs = names(store, 'pack-').length - scene.basePacks
  if (packs === 0) return 'before the first pack'
  return packs < scene.cleanPacks - scene.basePacks ? 'during packs' : 'between packs and snapshot'
}

describe.each([false, true])('kill -9 during a push (into a repository with a version: %j)', withOldVersion => {
  test(
    'in every phase: nothing is damaged or lost, and the next run completes',
    async () => {
      const scene = await prepare(withOldVersion)
      const source = join(scene.base, '..', 'data')
      const random = seededRandom(withOldVersion ? 1 : 2)
      const hits = new Map<PushPhase, number>()

      /** One kill and all that must hold after it. False when the run had ended before it could be killed. */
      const round = async (kill: CliOptions['kill'], store: string): Promise<boolean> => {
        rmSync(store, { recursive: true, force: true })
        if (withOldVersion) cpSync(scene.base, store, { recursive: true })
        const run = await cli(['--json', 'push', source, '--store', store, '--create'], { ...(kill ? { kill } : {}) })
        if (run.signal !== 'SIGKILL') return false
        const phase = phaseOf(scene, store)
        hits.set(phase, (hits.get(phase) ?? 0) + 1)

        const isRepository = names(store, 'config.json').length > 0 || names(store, 'snapshot-').length > 0
        if (isRepository) await expectUndamaged(store)
        if (scene.old) await expectVersion(store, phase === 'after the snapshot' ? 'data~1' : 'data', join(root, 'old'), scene.old)

        const again = await cli(['push', source, '--store', store, '--create'])
        expect(again.code, again.stderr).toBe(0)
        await expectUndamaged(store)
        await expectVersion(store, 'data', join(root, 'out'), scene.new)
        if (scene.old) await expectVersion(store, 'data~1', join(root, 'old'), scene.old)
        expect(names(store, 'snapshot-')).toHaveLength(withOldVersion ? 2 : 1)

        // the chunks of the killed run are used; at most the pack of its unneeded manifest is left over
        expect(names(store, 'pack-').length).toBeLessThanOrEqual(scene.cleanPacks + 1)
        expect(bytesIn(store, 'pack-')).toBeLessThan(scene.cleanBytes + MiB / 4)
        for (const name of names(store, '.tmp-')) expect(name).toMatch(new RegExp(`^\\.tmp-(clock-)?${run.pid}-`))
        return true
      }

      const store = join(root, 'store')
      const aims: Record<PushPhase, () => boolean> = {
        'before the first pack': () => names(store, '.tmp-').some(name => !name.includes('clock')),
        'during packs': () => phaseOf(scene, store) === 'during packs',
        'between packs and snapshot': () => phaseOf(scene, store) === 'between packs and snapshot',
        'after the snapshot': () => phaseOf(scene, store) === 'after the snapshot',
      }
      for (const [phase, when] of Object.entries(aims) as [PushPhase, () => boolean][]) {
        for (let tries = 0; tries < TRIES && !hits.has(phase); tries++) await round({ signal: 'SIGKILL', when }, store)
      }
      for (let kills = 0; kills < RANDOM_KILLS;) {
        if (await round({ signal: 'SIGKILL', afterMs: (0.3 + 0.7 * random()) * scene.cleanMs }, store)) kills++
      }
      expect([...hits.keys()].sort()).toEqual(Object.keys(aims).sort())
    },
    LONG_MS,
  )
})

test('a push that is killed again and again gets on, and what it leaves does not add up', async () => {
  const source = join(root, 'again', 'data')
  const store = join(root, 'again', 'store')
  makeTree(source, { 'a.bin': seededNoise(21, 12 * MiB), 'b.txt': 'text' })
  const killed: (number | undefined)[] = []
  for (let i = 0; i < TRIES && killed.length < 5; i++) {
    // the moment follows the run's own writes, so the speed of the machine does not matter
    const before = names(store, '').length
    const when = (): boolean => names(store, '').length > before
    const run = await cli(['push', source, '--store', store], { kill: { signal: 'SIGKILL', when } })
    if (run.signal === 'SIGKILL') killed.push(run.pid)
  }
  expect(killed.length).toBeGreaterThan(0)
  expect((await cli(['push', source, '--store', store])).code).toBe(0)
  await expectUndamaged(store)
  await expectVersion(store, 'data', join(root, 'out'), pictureOf(source))
  expect(bytesIn(store, 'pack-')).toBeLessThan(12.5 * MiB)
  for (const name of names(store, '.tmp-')) expect(killed).toContain(Number(/^\.tmp-(?:clock-)?(\d+)-/.exec(name)![1]))
})

type PullPhase = 'planning' | 'restoring' | 'after'

describe('kill -9 during a pull', () => {
  test(
    'in every phase: no half file under its name, the next run completes and leaves nothing over',
    async () => {
      const source = join(root, 'pull', 'data')
      const store = join(root, 'pull', 'store')
      const out = join(root, 'pull', 'out')
      const tree = {
        ...SECOND_VERSION,
        'big2.bin': seededNoise(3, 9 * MiB),
        link: { link: 'big.bin' },
        'many/empty': { folder: true as const },
      }
      makeTree(source, tree)
      const expected = pictureOf(source)
      const files = [...expected].filter(([, line]) => !line.startsWith('folder')).length
      expect((await cli(['push', source, '--store', store])).code).toBe(0)
      const started = performance.now()
      expect((await cli(['pull', 'data', out, '--store', store])).code).toBe(0)
      const cleanMs = performance.now() - started
      const random = seededRandom(3)
      const hits = new Map<PullPhase, number>()

      const present = (): string[] => (existsSync(out) ? (readdirSync(out, { recursive: true }) as string[]) : [])
      const isWhole = (paths: string[]): boolean =>
        !paths.some(path => path.endsWith('.part')) && paths.filter(path => !lstatSync(join(out, path)).isDirectory()).length === files
      const phaseNow = (): PullPhase => {
        const paths = present()
        return paths.length === 0 ? 'planning' : isWhole(paths) ? 'after' : 'restoring'
      }
      const looks = (phase: PullPhase) => (): boolean => {
        try {
          return phaseNow() === phase
        } catch {
          return false // a part file was renamed between the listing and the look at it
        }
      }

      const round = async (kill: CliOptions['kill']): Promise<boolean> => {
        rmSync(out, { recursive: true, force: true })
        const run = await cli(['--json', 'pull', 'data', out, '--store', store], { ...(kill ? { kill } : {}) })
        if (run.signal !== 'SIGKILL') return false
        const phase = phaseNow()
        hits.set(phase, (hits.get(phase) ?? 0) + 1)
        // files appear whole and with their times; folders get theirs at the end
        expectWholeFiles(out, expected)
        const again = await cli(['pull', 'data', out, '--store', store])
        expect(again.code, again.stderr).toBe(0)
        expectSameTree(out, expected)
        return true
      }

      const aims: Record<PullPhase, (stdout: string) => boolean> = {
        planning: stdout => stdout.includes('"listing"'),
        restoring: looks('restoring'),
        after: looks('after'),
      }
      for (const [phase, when] of Object.entries(aims) as [PullPhase, (stdout: string) => boolean][]) {
        for (let tries = 0; tries < TRIES && !hits.has(phase); tries++) await round({ signal: 'SIGKILL', when })
      }
      for (let kills = 0; kills < RANDOM_KILLS;) if (await round({ signal: 'SIGKILL', afterMs: random() * cleanMs })) kills++
      expect([...hits.keys()].sort()).toEqual(Object.keys(aims).sort())
      await expectUndamaged(store)
    },
    LONG_MS,
  )
})
