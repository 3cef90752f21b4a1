import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Entry } from '../../../src/repository/format/manifest.ts'
import { isNotedAs, loadNotedVersion, saveNotedVersion, type NotedVersion } from '../../../src/repository/versions/noted-version.ts'
import { withFolder } from '../../helpers/folders.ts'
import { flipBit, hexOf } from '../../helpers/repository/arbitraries.ts'
import { chunksOf } from '../../helpers/repository/manifest-entries.ts'
import { recordingReporter } from '../../helpers/repository/test-store.ts'

const ENTRIES: Entry[] = [
  { path: 'a', type: 'directory', mode: 0o755, mtime: 1_000_000n },
  { path: 'a/b.txt', type: 'file', mode: 0o644, mtime: 2_000_000n, size: 7, chunks: chunksOf(2) },
]
const VERSION: NotedVersion = { id: hexOf(1), name: 'data', time: 5, entries: ENTRIES }
const { reporter } = recordingReporter()
const touched = (at: number, entry: Entry): Entry => ({ ...entry, mtime: entry.mtime + BigInt(at) * 1000n })

describe('the note of the last version', () => {
  test('says what it was told, and since when', () =>
    withFolder(async folder => {
      const file = join(folder, 'versions', 'note')
      await saveNotedVersion(file, VERSION, reporter)
      expect(await loadNotedVersion(file, reporter)).toEqual({ ...VERSION, knownSince: statSync(file).mtimeMs })
    }))

  test('of a version that it holds already is not written again, but known from now on', () =>
    withFolder(async folder => {
      const file = join(folder, 'note')
      await saveNotedVersion(file, VERSION, reporter)
      const before = statSync(file).ino
      utimesSync(file, 100, 100)
      await saveNotedVersion(file, VERSION, reporter)
      expect(statSync(file).ino).toBe(before)
      expect((await loadNotedVersion(file, reporter))!.knownSince).toBeGreaterThan(Date.now() - 60_000)
      await saveNotedVersion(file, { ...VERSION, id: hexOf(2) }, reporter)
      expect(await loadNotedVersion(file, reporter)).toMatchObject({ id: hexOf(2) })
    }))

  test('tells whether entries are its own without being read', () =>
    withFolder(async folder => {
      const file = join(folder, 'note')
      expect(await isNotedAs(file, ENTRIES)).toBeUndefined()
      await saveNotedVersion(file, VERSION, reporter)
      const { id, name, time } = VERSION
      expect(await isNotedAs(file, [...ENTRIES])).toEqual({ id, name, time, knownSince: statSync(file).mtimeMs })
      for (const other of [[], ENTRIES.slice(1), ENTRIES.map(entry => touched(1, entry))])
        expect(await isNotedAs(file, other)).toBeUndefined()
    }))

  test('that is damaged is not used, and makes room for the next', () =>
    withFolder(async folder => {
      const file = join(folder, 'note')
      await saveNotedVersion(file, VERSION, reporter)
      const whole = readFileSync(file)
      for (let bit = 0; bit < whole.length * 8; bit += 61) {
        writeFileSync(file, flipBit(whole, bit))
        expect(await loadNotedVersion(file, reporter), `bit ${bit}`).toBeUndefined()
        await saveNotedVersion(file, VERSION, reporter)
        expect(await loadNotedVersion(file, reporter), `bit ${bit}`).toMatchObject(VERSION)
      }
    }))
})
