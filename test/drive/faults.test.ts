import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/util/errors.ts'
import { kindOf, type CallKind } from '../drive-emulator/call.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import type { FaultAction } from '../drive-emulator/faults.ts'
import { pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, expectWholeFiles, pictureOf } from '../helpers/trees.ts'
import { machineWithLargePacks } from './large-packs.ts'
import type { MachineOptions } from './machine.ts'
import { bytesOn, copyOf, expectNothingTwice, objectsOf, Scene } from './scene.ts'

/** A bit more than goes up in one request. */
const BIG = seededNoise(1, 4_700_000)
/** Silence that ends a stalled request, ms. */
const IDLE_MS = 200

const PAGE = `<!DOCTYPE html>\n<title>Sign in to the network</title>\n${'<p>Please accept the terms.\n'.repeat(40)}`

/** A page of something between us and Google takes the place of an answer; the request never gets through. */
function pageInstead({ on, nth }: Strike): { fetch: typeof fetch; struck: () => boolean } {
  let seen = 0
  const withPage: typeof fetch = async (input, init) => {
    const { pathname, searchParams } = new URL(input instanceof Request ? input.url : input)
    const kind = kindOf(init?.method ?? 'GET', pathname, searchParams, Object.fromEntries(new Headers(init?.headers)))
    if ((on !== undefined && on !== kind) || ++seen !== nth) return fetch(input, init)
    return new Response(PAGE, { status: 200, headers: { 'content-type': 'text/html; charset=UTF-8' } })
  }
  return { fetch: withPage, struck: () => seen >= nth }
}

/** The nth request of a run, or of a kind. */
interface Strike {
  on?: CallKind
  nth: number
}

interface Fault {
  name: string
  /** Undefined for a page with status 200. */
  do?: FaultAction
}

const PASSING: Fault[] = [
  { name: '500', do: { status: 500, reason: 'internalError' } },
  { name: '500 although it was done', do: { status: 500, reason: 'internalError', afterCommit: true } },
  { name: '503 with Retry-After', do: { status: 503, reason: 'backendError', retryAfter: 7 } },
  { name: '403 rateLimitExceeded', do: { status: 403, reason: 'rateLimitExceeded' } },
  { name: '429', do: { status: 429, reason: 'rateLimitExceeded', retryAfter: new Date(Date.now() + 5000).toUTCString() } },
  { name: '401', do: { status: 401, reason: 'authError' } },
  { name: 'reset before', do: 'reset-before' },
  { name: 'reset after it was done', do: 'reset-after-commit' },
  { name: 'cut body', do: 'cut-body' },
  { name: 'HTML with 502', do: 'html-error' },
  { name: 'HTML with 200' },
]
const STALLS: Fault[] = [
  { name: 'stall', do: 'stall' },
  { name: 'stall in the middle of the answer', do: 'stall-in-body' },
]

const WRONG_BYTES: Fault = { name: 'wrong bytes', do: 'wrong-bytes' }
const GARBLED: Fault = { name: 'wrong bytes in the answer', do: 'garbled-answer' }
/** Of any run here: two listings and something read or stored. */
const LEAST_REQUESTS = 3

interface Planted {
  /** Of the machine that is to meet the fault. */
  options: MachineOptions
  struck: () => boolean
}

function plant(emulator: DriveEmulator, fault: Fault, strike: Strike): Planted {
  if (fault.do === undefined) {
    const { fetch, struck } = pageInstead(strike)
    return { options: { fetch }, struck }
  }
  emulator.faults.add({ ...strike, do: fault.do })
  return {
    options: STALLS.includes(fault) ? { idleMs: IDLE_MS } : {},
    struck: () => emulator.requests.some(request => request.fault !== undefined),
  }
}

/**
 * Runs `use` with one fault on a new Drive of the scene, and names the fault in whatever fails. False when the run
 * ended before it.
 */
async function withFault(
  scene: Scene,
  fault: Fault,
  strike: Strike,
  use: (emulator: DriveEmulator, options: MachineOptions) => Promise<void>,
): Promise<boolean> {
  return scene.withDrive(async emulator => {
    const { options, struck } = plant(emulator, fault, strike)
    await use(emulator, options).catch((error: unknown) => {
      const kind = emulator.requests.find(request => request.fault !== undefined)?.kind ?? strike.on ?? 'any kind'
      throw new Error(`${fault.name} at request ${strike.nth} (${kind}): ${String(error)}`, { cause: error })
    })
    if (struck()) expect(emulator.counts['oauth.token'] ?? 0).toBe(fault.name === '401' ? 1 : 0)
    return struck()
  })
}

/**
 * One fault at the first request, at the second one, and so on, until a run has no such request any more.
 * How many requests there are depends a little on which answers come first.
 */
async function atEveryRequest(least: number, run: (nth: number) => Promise<boolean>): Promise<void> {
  let nth = 1
  while (await run(nth)) nth++
  expect(nth - 1).toBeGreaterThanOrEqual(least)
}

/** One test for each fault that passes. Stalls only wait, so they wait side by side. */
function testPassing(survive: (fault: Fault) => Promise<void>): void {
  test.each(PASSING)('$name', survive)
  test.concurrent.each(STALLS)('$name', survive)
}

const expectAppError = (error: unknown): void => expect(error).toBeInstanceOf(AppError)

interface PushScene {
  scene: Scene
  /** What a run that nothing disturbs takes and leaves. */
  clean: { counts: DriveEmulator['counts']; objects: number; bytes: number }
}

async function prepare(scene: Scene): Promise<PushScene> {
  const clean = await scene.withDrive(async emulator => {
    await pushFolder(machineWithLargePacks(emulator), scene.source, 'data')
    const { counts } = emulator
    expectNothingTwice(emulator)
    await scene.expectSound(machineWithLargePacks(emulator), [pictureOf(scene.source), ...scene.old])
    return { counts, objects: objectsOf(emulator).length, bytes: bytesOn(emulator) }
  })
  return { scene, clean }
}

/** The push ends well, all of it is there once, and another one finds nothing to do. */
async function expectStored({ scene, clean }: PushScene, emulator: DriveEmulator, options: MachineOptions = {}): Promise<void> {
  const { outcome } = await pushFolder(machineWithLargePacks(emulator, options), scene.source, 'data')
  expect(outcome).toBe('stored')
  await expectAsClean({ scene, clean }, emulator)
}

async function expectAsClean({ scene, clean }: PushScene, emulator: DriveEmulator): Promise<void> {
  expect(objectsOf(emulator)).toHaveLength(clean.objects)
  // a few bytes of JSON aside
  expect(Math.abs(bytesOn(emulator) - clean.bytes)).toBeLessThan(100)
  const copy = await copyOf(emulator)
  await scene.expectSound(copy, [pictureOf(scene.source)])
  expect((await pushFolder(copy, scene.source, 'data')).outcome).toBe('unchanged')
  expect((await copy.storage.list()).objects).toHaveLength(clean.objects)
}

const expectSurvived = (push: PushScene, fault: Fault, strike: Strike): Promise<boolean> =>
  withFault(push.scene, fault, strike, (emulator, options) => expectStored(push, emulator, options))

/**
 * No checksum covers what Drive says about files. A push may then fail, but breaks nothing, and the next one completes.
 */
const expectTold = ({ scene }: PushScene, strike: Strike): Promise<boolean> =>
  withFault(scene, GARBLED, strike, async (emulator, options) => {
    await pushFolder(machineWithLargePacks(emulator, options), scene.source, 'data').catch(expectAppError)
    emulator.faults.clear()
    await pushFolder(machineWithLargePacks(emulator), scene.source, 'data')
    const again = machineWithLargePacks(emulator)
    await scene.expectSound(again, [pictureOf(scene.source)])
    expect((await pushFolder(again, scene.source, 'data')).outcome).toBe('unchanged')
  })

const SCENES = {
  'first push': async () => new Scene({ 'a.txt': 'first', 'sub/table.csv': seededText(1, 50_000) }),
  'later push': async () => {
    const scene = new Scene({ 'noise.bin': seededNoise(2, 100_000), 'a.txt': 'first', 'sub/table.csv': seededText(1, 50_000) })
    await scene.publish({ 'a.txt': 'second', 'more.bin': seededNoise(3, 100_000) })
    return scene
  },
}

describe.each(Object.entries(SCENES))('a %s, one fault at every request of it', (_, makeScene) => {
  let push: PushScene
  beforeAll(async () => {
    push = await prepare(await makeScene())
  })
  afterAll(() => push.scene.remove())

  testPassing(fault => atEveryRequest(LEAST_REQUESTS, nth => expectSurvived(push, fault, { nth })))

  test.each(['media.get', 'upload.multipart'] as const)('wrong bytes in each %s', on =>
    atEveryRequest(Math.min(1, push.clean.counts[on] ?? 0), nth => expectSurvived(push, WRONG_BYTES, { on, nth })),
  )

  test('wrong bytes in any answer about files', () => atEveryRequest(LEAST_REQUESTS, nth => expectTold(push, { nth })))
})

describe('a pack that goes up in a resumable upload, one fault at each request of that', () => {
  let push: PushScene
  beforeAll(async () => {
    push = await prepare(new Scene({ 'big.bin': BIG }))
    expect(push.clean.counts).toMatchObject({ 'upload.start': 1, 'upload.piece': 1 })
  })
  afterAll(() => push.scene.remove())

  testPassing(async fault => {
    for (const on of ['upload.start', 'upload.piece'] as const) expect(await expectSurvived(push, fault, { on, nth: 1 })).toBe(true)
  })

  test('wrong bytes', async () => expect(await expectSurvived(push, WRONG_BYTES, { on: 'upload.piece', nth: 1 })).toBe(true))
})

describe('a pull, one fault at every request of it', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = new Scene({ 'big.bin': BIG.subarray(0, 1_000_000), 'a.txt': 'first', 'sub/table.csv': seededText(1, 50_000) })
    await scene.publish({ 'a.txt': 'second', 'more.bin': seededNoise(3, 100_000) })
    await scene.publish({})
  })
  afterAll(() => scene.remove())

  const expectPulled = (fault: Fault, strike: Strike): Promise<boolean> =>
    withFault(scene, fault, strike, async (emulator, options) => {
      const out = scene.out()
      const { damaged } = await pullVersion(machineWithLargePacks(emulator, options), 'data', out)
      expect(damaged).toEqual([])
      expectSameTree(out, scene.old[0]!)
      rmSync(out, { recursive: true })
    })

  testPassing(fault => atEveryRequest(LEAST_REQUESTS, nth => expectPulled(fault, { nth })))

  test('wrong bytes', () => atEveryRequest(2, nth => expectPulled(WRONG_BYTES, { on: 'media.get', nth })))

  test('wrong bytes in any answer about files', () =>
    atEveryRequest(LEAST_REQUESTS, nth =>
      withFault(scene, GARBLED, { nth }, async (emulator, options) => {
        const out = scene.out()
        await pullVersion(machineWithLargePacks(emulator, options), 'data', out).catch(expectAppError)
        // whatever came of it, nothing wrong bears a file's name, and the next run completes
        expectWholeFiles(out, scene.old[0]!)
        emulator.faults.clear()
        await pullVersion(machineWithLargePacks(emulator), 'data', out)
        expectSameTree(out, scene.old[0]!)
        rmSync(out, { recursive: true })
      }),
    ))
})
