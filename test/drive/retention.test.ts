import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RepositoryContext } from '../../src/repository/open/open.ts'
import { forget } from '../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS, SAFE_GRACE_PERIODS } from '../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../src/repository/prune/prune.ts'
import type { RetentionPolicy } from '../../src/repository/versions/retention.ts'
import { AppError, isAppError } from '../../src/util/errors.ts'
import type { CallKind } from '../drive-emulator/call.ts'
import { DEFAULT_USER, type DriveEmulator } from '../drive-emulator/emulator.ts'
import type { FaultAction } from '../drive-emulator/faults.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { bf16, network, safetensors, tuned } from '../helpers/tensors.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { machine, seededSurroundings } from './machine.ts'
import { copyOf, objectsOf, Scene } from './scene.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const YEAR = 365 * DAY

/** What counts against the quota: the trash too. */
const quotaUsed = (emulator: DriveEmulator): number => emulator.drive.store.usage(DEFAULT_USER)

const trashed = (emulator: DriveEmulator): string[] => [...emulator.files.values()].filter(file => file.trashed).map(({ name }) => name)

/** What `forget data ...` does, here without waiting for anybody else. */
async function forgetAll(context: RepositoryContext, policy: RetentionPolicy): Promise<void> {
  const { failure } = await forget(context, { names: ['data'], policy, all: false, waits: NO_GRACE_PERIODS, dryRun: false })
  expect(failure).toBeUndefined()
}

/** What `prune --now` does: the second run deletes what the first has marked. */
async function pruneNow(context: RepositoryContext): Promise<void> {
  for (let run = 0; run < 2; run++) await prune(context, await openForPrune(context), { waits: NO_GRACE_PERIODS, dryRun: false })
}

/**
 * Two versions. Of the pack of the older one the newer one needs less than a third: when the older one is forgotten, it
 * is written anew.
 */
async function twoVersions(): Promise<Scene> {
  const scene = new Scene({ 'kept.bin': seededNoise(1, 150_000), 'changing.bin': seededNoise(2, 400_000) })
  await scene.publish({ 'changing.bin': seededNoise(3, 200_000) })
  await scene.publish({})
  return scene
}

test('forget and prune --now give the quota back at once and for good, also after one that was killed: nothing goes to the trash', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      for (const seed of [1, 2, 3]) {
        makeTree(sandbox.in('data'), { 'model.bin': seededNoise(seed, 500_000), 'same.bin': seededNoise(9, 100_000) })
        await sandbox.ok('push', 'data')
      }
      expect(quotaUsed(emulator)).toBeGreaterThan(1_600_000)
      await sandbox.ok('forget', 'data', '--keep-last', '1')
      expect(quotaUsed(emulator)).toBeGreaterThan(1_600_000)

      // killed where it deletes
      emulator.faults.add({ on: 'files.delete', nth: 2, times: Infinity, do: 'stall' })
      const isDeleting = (): boolean => emulator.requests.some(({ fault }) => fault !== undefined)
      const { signal } = await sandbox.run(['prune', '--now'], { kill: { signal: 'SIGKILL', when: isDeleting } })
      expect(signal).toBe('SIGKILL')
      emulator.faults.clear()
      await sandbox.ok('check', '--read-data')

      emulator.resetRecords()
      await sandbox.ok('prune', '--now')
      expect(quotaUsed(emulator)).toBeLessThan(620_000)
      expect(trashed(emulator)).toEqual([])
      expect(emulator.counts['files.update']).toBeUndefined()
      expect(emulator.counts['files.delete']).toBeGreaterThan(1)

      await sandbox.ok('check', '--read-data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }),
  ))

const REFUSED: FaultAction = { status: 403, reason: 'insufficientFilePermissions' }
const WRITING: (CallKind | undefined)[] = ['upload.multipart', 'files.delete']

/**
 * Three checkpoints, each but the first predicted from the one before; then the last of them alone, which is encoded by
 * itself when the older version is forgotten.
 */
async function lastOfSeries(): Promise<Scene> {
  const models = [network(1, [30_000])]
  for (const seed of [1, 2]) models.push(tuned(models.at(-1)!, seed))
  const files = models.map((model, i) => [`model-${i}.safetensors`, safetensors(bf16(model))] as const)
  const scene = new Scene(Object.fromEntries(files))
  await scene.publish({}, { bases: { cache: undefined } })
  for (const [name] of files.slice(0, -1)) rmSync(join(scene.source, name))
  await scene.publish({})
  return scene
}

describe.each([
  ['of a pack that is mostly dead', twoVersions, 360_000],
  ['of a series of checkpoints', lastOfSeries, 45_000],
])('a prune %s that dies: all that is kept is whole then, and the next one frees the rest', (_, makeScene, leaves) => {
  let scene: Scene
  let kinds: CallKind[]
  beforeAll(async () => {
    scene = await makeScene()
    kinds = await scene.withDrive(async emulator => {
      await forgetAll(machine(emulator), { last: 1 })
      emulator.resetRecords()
      await pruneNow(machine(emulator))
      return emulator.requests.map(({ kind }) => kind)
    })
    expect(kinds.filter(kind => WRITING.includes(kind)).length).toBeGreaterThan(5)
  })
  afterAll(() => scene.remove())

  const round = (nth: number, fault: FaultAction): Promise<void> =>
    scene.withDrive(async emulator => {
      await forgetAll(machine(emulator), { last: 1 })
      emulator.resetRecords()
      emulator.faults.add({ nth, do: fault })
      emulator.faults.add({ nth: nth + 1, times: Infinity, do: REFUSED })
      const death: unknown = await pruneNow(machine(emulator)).catch((error: unknown) => error)
      emulator.faults.clear()
      if (emulator.requests.length >= nth) expect(death, `at request ${nth}`).toBeInstanceOf(AppError)
      await scene.expectSound(await copyOf(emulator), [scene.old[0]!])

      await pruneNow(machine(emulator))
      await scene.expectSound(await copyOf(emulator), [scene.old[0]!])
      expect(quotaUsed(emulator), `died at request ${nth}`).toBeLessThan(leaves)
      expect(trashed(emulator)).toEqual([])
    })

  test('at every request, before it is done', async () => {
    for (let nth = 1; nth <= kinds.length; nth++) await round(nth, REFUSED)
  }, 60_000)

  test('at every request that changes something, when it is done', async () => {
    for (let nth = 1; nth <= kinds.length; nth++) if (WRITING.includes(kinds[nth - 1])) await round(nth, { ...REFUSED, afterCommit: true })
  }, 60_000)
})

/**
 * What a pull reaches Drive by while another machine forgets the older version and prunes: at its nth request, which
 * waits until that is done.
 */
function pruneAtRequest(emulator: DriveEmulator, nth: number) {
  return pruneWhen(emulator, seen => seen === nth)
}

/** The same at the first request for a pack. */
function pruneAtPack(emulator: DriveEmulator) {
  const packs = [...emulator.files.values()].filter(({ name }) => name.startsWith('pack-'))
  return pruneWhen(emulator, (_, url) => packs.some(({ id }) => url.includes(`/${id}?`)))
}

function pruneWhen(emulator: DriveEmulator, isTime: (seen: number, url: string) => boolean) {
  const another = machine(emulator)
  // a request that is repeated after a broken connection counts once, so that each nth is the same request in every run
  const seen = new Set<string>()
  let pruned: Promise<void> | undefined
  const meanwhile: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    seen.add(`${request.method} ${request.url} ${request.headers.get('range')}`)
    if (pruned === undefined && isTime(seen.size, request.url)) pruned = forgetAll(another, { last: 1 }).then(() => pruneNow(another))
    await pruned
    return fetch(input, init)
  }
  /** Whether it came to that. */
  const done = async (): Promise<boolean> => {
    await pruned
    return pruned !== undefined
  }
  return { fetch: meanwhile, seen: () => seen.size, done }
}

describe('a pull while a prune moves what it needs', () => {
  test.each([
    ['all of it', []],
    ['single files, by ranges', ['*.bin']],
  ])(
    '%s, whenever that comes: reads the new packs',
    async (_, only) => {
      const scene = await twoVersions()
      try {
        let requests = Infinity
        for (let nth = 1; nth <= requests; nth++) {
          await scene.withDrive(async emulator => {
            const packs = (): string[] =>
              objectsOf(emulator)
                .map(({ name }) => name)
                .filter(name => name.startsWith('pack-'))
            const before = packs()
            const prune = pruneAtRequest(emulator, nth)
            const out = scene.out()
            const { damaged } = await pullVersion(machine(emulator, { fetch: prune.fetch }), 'data', out, false, only)
            expect(damaged).toEqual([])
            expectSameTree(out, scene.old[0]!)
            if (!(await prune.done())) requests = prune.seen()
            else {
              expect(before.filter(name => !packs().includes(name))).toHaveLength(1)
              expect(packs().filter(name => !before.includes(name))).toHaveLength(1)
            }
          })
        }
        expect(requests).toBeGreaterThan(4)
      } finally {
        scene.remove()
      }
    },
    60_000,
  )
})

describe('a pull of a version that is forgotten and pruned meanwhile says so: nothing is damaged', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await twoVersions()
  })
  afterAll(() => scene.remove())

  /** How the pull ends: the message of its error, or undefined where everything came. */
  async function endOf(emulator: DriveEmulator, reach: typeof fetch): Promise<string | undefined> {
    const out = scene.out()
    const end: unknown = await pullVersion(machine(emulator, { fetch: reach }), 'data~1', out).catch((error: unknown) => error)
    if (isAppError(end)) {
      expect(end).toMatchObject({ code: 'not-found' })
      return end.message
    }
    expect(end).toMatchObject({ damaged: [] })
    expectSameTree(out, scene.old[1]!)
    return undefined
  }

  test('before it lists', () =>
    scene.withDrive(async emulator => {
      expect(await endOf(emulator, pruneAtRequest(emulator, 1).fetch)).toContain('has 1 version')
    }))

  test('when it reads the first pack', () =>
    scene.withDrive(async emulator => {
      expect(await endOf(emulator, pruneAtPack(emulator).fetch)).toContain('was forgotten while it was being read')
    }))

  test('whenever that comes', async () => {
    let requests = Infinity
    for (let nth = 1; nth <= requests; nth++) {
      await scene.withDrive(async emulator => {
        const prune = pruneAtRequest(emulator, nth)
        const end = await endOf(emulator, prune.fetch)
        if (end !== undefined) expect(end, `at request ${nth}`).toMatch(/has 1 version|was forgotten while it was being read/)
        if (!(await prune.done())) requests = prune.seen()
      })
    }
    expect(requests).toBeGreaterThan(4)
  }, 60_000)
})

describe('machines whose clocks are wrong by years', () => {
  test('that push one name at once make two versions; rules and waits go by the time of Drive', () => {
    const clock = { now: Date.parse('2026-11-20T12:00:00Z') }
    return withDrive({ surroundings: { now: () => clock.now } }, emulator =>
      withFolder(async folder => {
        let seed = 100
        const machineAt = (offset: number): RepositoryContext => {
          const surroundings = seededSurroundings(++seed, { now: clock.now + offset })
          return machine(emulator, { surroundings, now: surroundings.now, seed })
        }
        const [early, late] = [(): RepositoryContext => machineAt(-10 * YEAR), (): RepositoryContext => machineAt(10 * YEAR)]
        const source = (name: string, content: number): string => {
          const path = join(folder, name)
          makeTree(path, { 'model.bin': seededNoise(content, 300_000) })
          return path
        }
        const [first, one, two] = [source('first', 1), source('one', 2), source('two', 3)]
        await pushFolder(late(), first, 'data')
        clock.now += 3 * DAY
        const pushed = await Promise.all([pushFolder(early(), one, 'data'), pushFolder(late(), two, 'data')])
        expect(pushed.map(({ outcome }) => outcome)).toEqual(['stored', 'stored'])
        const versions: [string, string][] = pushed.map(({ snapshot }, i) => [`data@${snapshot!.id.slice(0, 16)}`, [one, two][i]!])
        const expectAll = async (more: [string, string][]): Promise<void> => {
          for (const [i, [version, tree]] of [...versions, ...more].entries()) {
            const out = join(folder, `out-${clock.now}-${i}`)
            await pullVersion([early, late][i % 2]!(), version, out)
            expectSameTree(out, tree)
          }
        }
        await expectAll([['data~2', first]])

        // of three days ago by Drive's clock, whatever this machine takes for now
        const request = {
          names: ['data'],
          policy: { within: { ms: DAY, text: '1d' } },
          // otherwise the newest version of each of the three sources stays
          all: true,
          waits: SAFE_GRACE_PERIODS,
          dryRun: false,
        }
        const { names } = await forget(late(), request)
        expect(names[0]!.decision.forgotten).toHaveLength(1)
        const full = quotaUsed(emulator)
        for (const machine of [early, late]) {
          const { freed } = await prune(machine(), await openForPrune(machine()), { waits: SAFE_GRACE_PERIODS, dryRun: false })
          expect(freed.packs).toBe(0)
        }
        clock.now += 2 * HOUR
        const context = early()
        const { freed } = await prune(context, await openForPrune(context), { waits: SAFE_GRACE_PERIODS, dryRun: false })
        expect(freed.packs).toBeGreaterThan(0)
        expect(quotaUsed(emulator)).toBeLessThan(full - 290_000)
        await expectAll([])
        await expect(pullVersion(late(), 'data~2', join(folder, 'none'))).rejects.toMatchObject({ code: 'not-found' })
        const { problems, affected } = await checkAll(late())
        expect([problems, affected]).toEqual([[], []])
      }),
    )
  })
})
