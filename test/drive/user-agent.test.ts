import { expect, test } from 'vitest'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'

test('every request says which program sends it, and asks for content as it is', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const { refreshToken } = emulator.issueToken()
      const sandbox = new DriveSandbox(emulator, folder, { refreshToken })
      makeTree(sandbox.in('data'), { 'a.txt': 'first', 'noise.bin': seededNoise(1, 6_000_000) })
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      await sandbox.ok('auth', 'status')
      const program = (await sandbox.ok('--version')).stdout.split(/\s/)[1]!
      expect(new Set(emulator.requests.map(({ kind }) => kind)).size).toBeGreaterThan(5)
      expect(new Set(emulator.requests.map(({ userAgent }) => userAgent))).toEqual(new Set([`colab-escape/${program} (gzip)`]))
      const media = emulator.requests.filter(({ kind }) => kind === 'media.get')
      expect(new Set(media.map(({ encoding }) => encoding))).toEqual(new Set(['identity']))
    }),
  ))
