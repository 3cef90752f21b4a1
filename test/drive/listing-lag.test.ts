import { expect, test } from 'vitest'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { FOLDER } from '../drive-emulator/file-store.ts'
import { expectError } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { expectNothingTwice } from './scene.ts'

/** Nothing that is new is in a listing, with `data` pushed. */
function withLag(use: (emulator: DriveEmulator, sandbox: DriveSandbox) => Promise<void>): Promise<void> {
  return withDrive({ behaviours: { timeScale: 20, listingLagMs: 1e9 } }, emulator =>
    withFolder(async folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      makeTree(sandbox.in('data'), { a: '1' })
      await sandbox.ok('push', 'data')
      await use(emulator, sandbox)
    }),
  )
}

/** Lets the listings catch up when a command has asked for them twice. */
async function catchingUp<T>(emulator: DriveEmulator, run: () => Promise<T>): Promise<T> {
  const before = emulator.counts['files.list'] ?? 0
  const timer = setInterval(() => {
    if ((emulator.counts['files.list'] ?? 0) >= before + 2) emulator.drive.conduct.pass(2e9)
  }, 5)
  try {
    return await run()
  } finally {
    clearInterval(timer)
  }
}

const versionsIn = async (sandbox: DriveSandbox): Promise<unknown[]> =>
  (await sandbox.json<{ versions: unknown[] }>('log', 'data')).versions

test('the next command of this machine waits until Drive lists what the one before has stored', () =>
  withLag(async (emulator, sandbox) => {
    expect(await catchingUp(emulator, () => versionsIn(sandbox))).toHaveLength(1)
    makeTree(sandbox.in('data'), { a: '2' })
    await sandbox.ok('push', 'data')
    await catchingUp(emulator, () => sandbox.ok('pull', 'data', 'out'))
    expectSameTree(sandbox.in('out'), sandbox.in('data'))
    makeTree(sandbox.in('data'), { a: '3' })
    await sandbox.ok('push', 'data')
    makeTree(sandbox.in('data'), { a: '4' })
    await catchingUp(emulator, () => sandbox.ok('push', 'data'))
    expect(await catchingUp(emulator, () => versionsIn(sandbox))).toHaveLength(4)
    expectNothingTwice(emulator)
  }))

test('a tag that was just given protects its version', () =>
  withLag(async (emulator, sandbox) => {
    await catchingUp(emulator, () => sandbox.ok('tag', 'data', 'best'))
    makeTree(sandbox.in('data'), { a: '2' })
    await catchingUp(emulator, () => sandbox.ok('push', 'data'))
    await catchingUp(emulator, () => sandbox.ok('tag', 'data', 'newest'))
    await catchingUp(emulator, () => sandbox.ok('untag', 'data~1', 'best'))
    await catchingUp(emulator, () => sandbox.ok('tag', 'data~1', 'kept'))
    await catchingUp(emulator, () => sandbox.ok('forget', 'data', '--keep-last', '1', '--keep-tag', 'kept'))
    expect(await versionsIn(sandbox)).toHaveLength(2)
  }))

test.each([['log'], ['pull', 'data', 'out'], ['push', 'data'], ['push', 'data', '--create']])(
  'what is not listed for long is not taken for gone, and nothing is made anew: %s %s %s',
  (...args) =>
    withLag(async (emulator, sandbox) => {
      makeTree(sandbox.in('data'), { a: '2' })
      const { hint } = expectError(await sandbox.run(args), 1, /does not list yet what this machine stored in drive:colab-escape/)
      expect(hint).toMatch(/minute/)
      expectNothingTwice(emulator)
    }),
)

test('what was deleted, moved to the trash or renamed meanwhile is not waited for', () =>
  withLag(async (emulator, sandbox) => {
    const files = [...emulator.files.values()]
    const folder = files.find(({ name, mimeType }) => name === 'colab-escape' && mimeType === FOLDER)!
    const version = files.find(({ name }) => name.startsWith('snapshot-'))!
    const expectGone = async (): Promise<void> => void expectError(await sandbox.run(['log']), 5, /holds no repository/)
    folder.name = 'another'
    await expectGone()
    folder.name = 'colab-escape'
    version.trashed = true
    await expectGone()
    emulator.drive.store.remove(version)
    await expectGone()
  }))
