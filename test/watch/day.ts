import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SnapshotRef } from '../../src/repository/format/object-names.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { forget } from '../../src/repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../src/repository/prune/prune.ts'
import type { RetentionPolicy } from '../../src/repository/versions/retention.ts'
import { isAppError } from '../../src/util/errors.ts'
import { checkAll, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { deadPacksOf, keptOf, versionsIn, type Made } from './retained.ts'

const HOUR = 3_600_000
/** What manifests, indexes and versions may take besides, bytes. */
const SLACK = 200_000
const POLICY: RetentionPolicy = { last: 5, best: [{ metric: 'val_loss', direction: 'min', count: 2 }] }

/** Where the checkpoints of a day go, and the time there. */
export interface DayStore {
  /** ms since 1970 by the clock of the store. */
  now: () => number
  /** Lets so much time pass, ms, without any actions. */
  pass: (ms: number) => Promise<void>
  /** A machine that has never been there before. */
  machine: () => Machine
  /** All objects that are stored there, of any kind. */
  storedBytes: () => Promise<number>
}

export interface Machine {
  context: RepositoryContext
  /** Calls to the store so far. */
  calls: () => number
  /** The machine is lost at the nth call from now on. With `done`, that call still takes effect, unknown to anybody. */
  lose: (nth: number, done: boolean) => void
}

export interface DayOptions {
  /** An empty folder, for sources and pulled copies. */
  folder: string
  store: DayStore
  seed: number
  /** Hours of training; 24 by default. */
  hours?: number
  checkpoints: number
  bytes: number
  kills: number
  /** Versions that are restored after each step; all of them after a kill. */
  restorePerStep: number
  onStep?: (step: number) => void
}

/** What went otherwise than promised: an error with the seed, to run it again. */
class BrokenPromise extends Error {}

export interface DayResult {
  versions: number
  /** After a prune a day later, when nothing waits any more. */
  storedBytes: number
  /** At the end of the day: unneeded packs that wait, and leftovers of lost machines. */
  waitingBytes: number
  leftBytes: number
  /** Saves that the loss of a machine broke off. */
  losses: { whilePushing: number; whileForgetting: number }
  /** Versions made by a machine that was lost before it knew. */
  unacknowledged: number
}

/**
 * A day of training: a third of each checkpoint is frozen, the rest is new each time. Now and then the machine is lost
 * in the middle of a call.
 */
export async function trainForADay(options: DayOptions): Promise<DayResult> {
  const { folder, store, seed, hours = 24, checkpoints, bytes, kills, restorePerStep, onStep } = options
  const random = seededRandom(seed)
  const runs = join(folder, 'runs')
  mkdirSync(runs, { recursive: true })
  const killAt = new Set<number>()
  while (killAt.size < kills) killAt.add(1 + Math.floor(random() * (checkpoints - 1)))
  const lossOf = Array.from({ length: checkpoints }, () => Math.round(random() * 1e6) / 1e6)
  const acknowledged = new Set<number>()
  const losses = { whilePushing: 0, whileForgetting: 0 }
  let unacknowledged = 0

  const contentOf = (step: number): Buffer => {
    const frozen = Math.floor(bytes / 3)
    return Buffer.concat([seededNoise(seed, frozen), seededNoise(seed + 1 + step, bytes - frozen)])
  }
  const expect = (holds: boolean, what: string): void => {
    if (!holds) throw new BrokenPromise(`${what} (seed ${seed})`)
  }
  /** Calls of the last save that nothing disturbed. */
  const usual = { push: 10, save: 20 }
  const save = async ({ context, calls }: Machine, step: number): Promise<void> => {
    const began = calls()
    const { snapshot } = await pushFolder(context, runs, 'runs', { metrics: { step, val_loss: lossOf[step]! } })
    acknowledged.add(step)
    const pushed = calls()
    await forgetOlder(context, snapshot?.ref)
    Object.assign(usual, { push: pushed - began, save: calls() - began })
  }
  const forgetOlder = async (context: RepositoryContext, known?: SnapshotRef): Promise<void> => {
    const request = { names: ['runs'], policy: POLICY, all: false, known, waits: SAFE_GRACE_PERIODS, dryRun: false }
    const { failure } = await forget(context, request)
    if (failure) throw failure
  }
  const restore = async (context: RepositoryContext, { step, stored }: Made): Promise<void> => {
    const out = join(folder, 'out')
    await pullVersion(context, `runs@${stored.id}`, out)
    expect(readFileSync(join(out, 'model.bin')).equals(contentOf(step)), `checkpoint ${step} came back otherwise`)
    rmSync(out, { recursive: true })
  }

  let machine = store.machine()
  let before: number[] = []
  let lost = 0
  let sweptAt = store.now()
  const dawn = store.now()
  for (let step = 0; step < checkpoints; step++) {
    await store.pass(Math.max(0, dawn + ((step + 1) * hours * HOUR) / checkpoints - store.now()))
    writeFileSync(join(runs, 'model.bin'), contentOf(step))
    const killed = killAt.has(step)
    if (killed) {
      machine.lose(1 + Math.floor(random() * usual[random() < 0.6 ? 'push' : 'save']), random() < 0.5)
      await save(machine, step).catch((error: unknown) => {
        if (!isAppError(error, 'unavailable')) throw error
        losses[acknowledged.has(step) ? 'whileForgetting' : 'whilePushing']++
      })
      machine = store.machine()
    } else {
      sweptAt = store.now()
      await save(machine, step)
    }
    const { context } = machine

    const there = await versionsIn(context)
    const steps = there.map(made => made.step)
    const candidates = [...before, ...(acknowledged.has(step) ? [step] : [])]
    const wanted = keptOf(candidates, lossOf, 5, 2)
    // a version that was made, and its maker lost before it knew, may push another one out
    const also = keptOf(steps.includes(step) ? [...before, step] : before, lossOf, 5, 2)
    expect(
      also.every(each => steps.includes(each)) && (steps.includes(step) || !acknowledged.has(step)),
      `of ${wanted.join()} only ${steps.join()} are there after step ${step}`,
    )
    if (!killed) expect(steps.join() === wanted.join(), `${steps.join()} are there after step ${step}, not ${wanted.join()}`)
    else if (steps.includes(step) && !acknowledged.has(step)) unacknowledged++
    const chosen = killed || restorePerStep >= there.length ? there : there.slice(-1).concat(there.slice(0, restorePerStep - 1))
    for (const made of chosen) await restore(context, made)
    // nothing is left over but packs that wait for their grace
    if (killed) await expectNoLeak(context, sweptAt, (++lost * bytes * 2.02) / 3 + lost * SLACK, expect)
    before = steps
    onStep?.(step)
  }

  const { context } = machine
  const { waitingBytes, leftBytes } = await expectNoLeak(context, sweptAt, (kills * bytes * 2.02) / 3 + kills * SLACK, expect)
  await forgetOlder(context)
  // a prune a day later marks the leftovers; an hour later a prune deletes them, and then their tomb
  for (const ms of [25 * HOUR, 2 * HOUR, 2 * HOUR]) {
    await store.pass(ms)
    await prune(context, await openForPrune(context), { waits: SAFE_GRACE_PERIODS, dryRun: false })
  }
  const after = await expectNoLeak(context, store.now(), 0, expect)
  expect(after.waitingBytes === 0, `${after.waitingBytes} bytes wait in tombs a day later`)
  const last = await versionsIn(context)
  const stay = last.map(({ step }) => step).join()
  expect(stay === keptOf(before, lossOf, 5, 2).join(), `${stay} stay, not ${keptOf(before, lossOf, 5, 2).join()}`)
  for (const made of last) await restore(context, made)
  const { problems, affected } = await checkAll(context)
  expect(problems.length + affected.length === 0, 'check finds damage')
  const { objects } = await context.storage.list()
  const storedBytes = await store.storedBytes()
  const listed = objects.reduce((sum, { size }) => sum + size, 0)
  const live = bytes / 3 + (last.length * bytes * 2) / 3
  expect(!objects.some(({ name }) => name.startsWith('tomb-')), 'tombs are left a day later')
  expect(storedBytes === listed, `${storedBytes} bytes are stored, of which a listing tells ${listed}`)
  expect(storedBytes <= live * 1.5 + SLACK, `${storedBytes} bytes are stored for ${Math.round(live)} that are live`)
  return { versions: last.length, storedBytes, waitingBytes, leftBytes, losses, unacknowledged }
}

/**
 * Data that no version needs waits in a tomb, or was left by a lost machine. The last undisturbed save began at
 * `sweptAt`: data that had been in a tomb for an hour by then, or had been left for a day, is gone. Returns the bytes
 * of both.
 */
async function expectNoLeak(
  context: RepositoryContext,
  sweptAt: number,
  mostLeft: number,
  expect: (holds: boolean, what: string) => void,
): Promise<{ waitingBytes: number; leftBytes: number }> {
  const repository = await openForReading(context)
  const { inventory, tombs } = repository.view
  const dead = await deadPacksOf(repository)
  const left = dead.filter(({ tombed }) => !tombed)
  const bytesOf = (packs: typeof dead): number => packs.reduce((sum, { size }) => sum + size, 0)
  const leftBytes = bytesOf(left)
  expect(
    left.every(({ created }) => sweptAt - created <= SAFE_GRACE_PERIODS.orphanMs),
    'packs older than a day are needed by nobody and wait for nothing',
  )
  expect(leftBytes <= mostLeft, `${leftBytes} bytes of packs are needed by nobody and in no tomb, more than ${Math.round(mostLeft)}`)
  for (const [id, tomb] of tombs) {
    const waits = tomb.kind === 'packs' && tomb.packs.some(pack => inventory.packs.has(pack))
    expect(
      !waits || sweptAt - inventory.tombs.get(id)!.created <= SAFE_GRACE_PERIODS.graceMs,
      'packs wait in a tomb for longer than they have to',
    )
  }
  return { waitingBytes: bytesOf(dead) - leftBytes, leftBytes }
}
