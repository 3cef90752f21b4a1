import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PACK_POLICY } from '../../src/repository/format/limits.ts'
import type { DriveEmulator, EmulatorOptions } from '../drive-emulator/emulator.ts'
import type { Refusal } from '../drive-emulator/refusals.ts'
import { expectError } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { machine } from './machine.ts'
import { objectsOf } from './scene.ts'

const MINUTES = 60 * 60_000

function withSandbox(options: EmulatorOptions, use: (emulator: DriveEmulator, sandbox: DriveSandbox) => Promise<void>): Promise<void> {
  return withDrive(options, emulator =>
    withFolder(folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      makeTree(sandbox.in('data'), { 'a.txt': 'first', 'noise.bin': seededNoise(1, 100_000) })
      return use(emulator, sandbox)
    }),
  )
}

const FINAL: [Refusal, number, RegExp, RegExp][] = [
  ['domainPolicy', 1, /disabled Drive apps\. \(domainPolicy\)/, /administrators/],
  ['appNotAuthorizedToFile', 1, /\(appNotAuthorizedToFile\)/, /--scope drive/],
  ['uploadTooLarge', 1, /\(uploadTooLarge\)/, /5 TB/],
  ['activeItemCreationLimitExceeded', 6, /limit of Drive is reached/, /500 million/],
  ['teamDriveFileLimitExceeded', 6, /limit of Drive is reached/, /shared drive/],
  ['fileNotDownloadable', 1, /\(fileNotDownloadable\)/, /document of Google/],
  ['downloadQuotaExceeded', 1, /\(downloadQuotaExceeded\)/, /tomorrow/],
]

describe('a push that Drive refuses', () => {
  test.each(FINAL)('%s: exit %i, and what to do about it', (refusal, code, what, hint) =>
    withSandbox({ behaviours: { storms: [{ atCall: 1, ms: MINUTES, with: [refusal] }] } }, async (emulator, sandbox) => {
      expect(expectError(await sandbox.run(['push', 'data']), code, what).hint).toMatch(hint)
      expect(emulator.requests.length).toBeLessThan(5)
    }),
  )

  test.each<Refusal>(['forbiddenPage', 'rateLimitInDetails', 'quotaExceeded'])('%s: for a moment only, so it goes on', refusal =>
    withSandbox({ behaviours: { timeScale: 20, storms: [{ atCall: 3, ms: 4000, with: [refusal] }] } }, async (_, sandbox) => {
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }),
  )
})

describe('files that the scanner of Google takes for malware', () => {
  const ALL = { behaviours: { abusiveBelow: 256 } }
  const acknowledged = (emulator: DriveEmulator): string[] =>
    emulator.requests.filter(({ query }) => query.acknowledgeAbuse === 'true').map(({ path }) => path)

  test('are read by their owner: repository and archive, whole and in parts', () =>
    withSandbox(ALL, async (emulator, sandbox) => {
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      expect((await sandbox.ok('cat', 'data:a.txt')).stdout).toBe('first')
      await sandbox.ok('check', '--read-data')
      await sandbox.ok('compress', 'data', '-o', 'drive:a.zip')
      await sandbox.ok('extract', 'drive:a.zip', 'unpacked')
      expect(acknowledged(emulator).length).toBeGreaterThan(4)
    }))

  test('are no reason to say so of other files, or for other refusals', () =>
    withSandbox({ behaviours: {} }, async (emulator, sandbox) => {
      await sandbox.ok('push', 'data')
      emulator.faults.add({ on: 'media.get', nth: 2, times: Infinity, do: { status: 403, reason: 'cannotDownloadFile' } })
      expect((await sandbox.run(['pull', 'data', 'out'])).code).not.toBe(0)
      expect(acknowledged(emulator)).toEqual([])
    }))

  test('of others: the object is named, and everything else is checked and restored', () =>
    withSandbox(ALL, async (emulator, sandbox) => {
      const packPolicy = { ...PACK_POLICY, firstBytes: 40_000, bytes: 90_000 }
      await pushFolder(machine(emulator, { packPolicy }), sandbox.in('data'), 'data')
      // the first pack holds a part of noise.bin, the last one all the rest
      const pack = objectsOf(emulator).find(({ name }) => name.startsWith('pack-'))!
      Object.assign(pack, { owner: emulator.addUser('other@example.com').email })
      const what = new RegExp(`${pack.name.slice(5, 17)}.*Google's scanner takes it for malware or spam, and lets only its owner read it`)
      const check = await sandbox.run(['check', '--read-data'])
      expect(check.stdout).toMatch(what)
      expect(check.stdout).toMatch(/affected: data@\w+:noise\.bin/)
      expect(check.stdout).not.toContain('a.txt')
      expect(check.code).toBe(7)
      const pull = await sandbox.run(['pull', 'data', 'out'])
      expect(pull.stderr + pull.stdout).toMatch(what)
      expect(pull.code).toBe(7)
      expect(readFileSync(sandbox.in('out/a.txt'), 'utf8')).toBe('first')
      expect(existsSync(sandbox.in('out/noise.bin'))).toBe(false)
    }))
})
