import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ChangeTimes } from '../../src/local/change-times.ts'
import { fingerprintOf, type Fingerprint } from '../../src/local/fingerprint.ts'
import { withFolder } from '../helpers/folders.ts'

const file = (ctime: bigint, device = 1): Fingerprint => ({ size: 5, mtime: 10n, ctime, inode: 3n, device })

describe('whether fingerprints show every write', () => {
  test.each([
    ['ext4', 0xef53, true],
    ['overlayfs', 0x794c7630, true],
    ['FUSE', 0x65735546, false],
    ['FAT, whose ctime was a time of creation once', 0x4d44, false],
    ['exFAT', 0x2011bab0, false],
    ['CIFS', 0xff534d42, false],
    ['9P', 0x01021997, false],
  ])('on %s the type of the file system says it, whatever the times are', (_, type, shows) => {
    const times = new ChangeTimes('/source', () => type)
    expect([times.showWrites('a', file(10n)), times.showWrites('b', file(11n)), times.showWrites('a', file(10n))]).toEqual(
      Array(3).fill(shows),
    )
  })

  test.each([
    ['NFS', 0x6969],
    ['a file system that nobody knows', 0x12345],
    ['a system that has no types', undefined],
  ])('on %s one file with a ctime of its own says it for all', (_, type) => {
    const times = new ChangeTimes('/source', () => type)
    expect(times.showWrites('a', file(10n))).toBe(false)
    expect(times.showWrites('b', file(11n))).toBe(true)
    expect(times.showWrites('a', file(10n))).toBe(true)
    expect(times.showWrites('c', file(10n, 2))).toBe(false)
  })

  test('each file system below the source counts for itself, and is asked once', () => {
    const asked: string[] = []
    const times = new ChangeTimes('/source', path => {
      asked.push(path)
      return path.includes('usb') ? 0x4d44 : 0xef53
    })
    const shown = ['a', 'usb/a', 'b', 'usb/b'].map(path => times.showWrites(path, file(10n, path.includes('usb') ? 2 : 1)))
    expect(shown).toEqual([true, false, true, false])
    expect(asked).toEqual(['/source/a', '/source/usb/a'])
  })

  test('the file systems of this machine that tests run on do, for a folder and for a single file', () =>
    withFolder(async folder => {
      const path = join(folder, 'a')
      writeFileSync(path, 'a')
      const fingerprint = fingerprintOf(statSync(path, { bigint: true }))
      expect(new ChangeTimes(folder).showWrites('a', fingerprint)).toBe(true)
      expect(new ChangeTimes(path).showWrites('a', fingerprint)).toBe(true)
    }))
})
