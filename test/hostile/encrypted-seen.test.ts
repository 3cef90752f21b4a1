import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { noteMade, noteRemoved, noteState, refuseOpenedUp, wasEncrypted } from '../../src/commands/shared/seen-state.ts'
import { snapshotObjectName } from '../../src/repository/format/object-names.ts'
import type { StoredObject } from '../../src/storage/storage.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { withFolder } from '../helpers/folders.ts'

const MINUTE = 60_000
const START = Date.UTC(2026, 10, 22, 12)
const STORE = 'a store'
const KEY = '0123456789abcdef'

/** What one machine does with a store that is whatever it is shown. */
class Machine {
  readonly warnings: string[] = []
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  private get session(): Parameters<typeof noteState>[0] {
    const reporter = { warn: (text: string) => this.warnings.push(text) }
    return {
      settings: { configFolder: this.folder },
      console: { reporter },
      stores: { keyOf: (location: string) => location },
    } as unknown as Parameters<typeof noteState>[0]
  }

  get file(): string {
    const folder = join(this.folder, 'encrypted')
    return join(folder, readdirSync(folder)[0]!)
  }

  /** Lists the store `minutes` after the beginning. Returns how many warnings that gave. */
  async lists(minutes: number, versions: readonly StoredObject[], keyId = KEY): Promise<number> {
    const before = this.warnings.length
    await noteState(this.session, STORE, keyId, { objects: [...versions], asOf: START + minutes * MINUTE })
    return this.warnings.length - before
  }

  removes(version: StoredObject): Promise<void> {
    return noteRemoved(this.session, STORE, KEY, version.name)
  }

  makes(keyId: string): Promise<void> {
    return noteMade(this.session, STORE, keyId)
  }

  seesPlain(): void {
    refuseOpenedUp(this.session, STORE, { objects: [{ name: 'config.json', size: 1, created: START }], asOf: START })
  }

  knows(): boolean {
    return wasEncrypted(this.session, STORE)
  }
}

/** A version that was pushed `minutes` after the beginning. */
function version(minutes: number, name = 'data'): StoredObject {
  const time = START + minutes * MINUTE
  return { name: snapshotObjectName(time, sha256Hex(Buffer.from(`${name} ${minutes}`)), name), size: 100, created: time }
}

const withMachine = (use: (machine: Machine) => Promise<void>): Promise<void> => withFolder(folder => use(new Machine(folder)))

const [first, second, third] = [version(0), version(10), version(20)]

describe('A machine tells when a store shows an older state than it has seen', () => {
  test('an old state that is put back, once', () =>
    withMachine(async machine => {
      expect(await machine.lists(21, [first, second, third])).toBe(0)
      expect(await machine.lists(60, [first, second])).toBe(1)
      expect(machine.warnings[0]).toMatch(/^a store shows an older state than this machine has seen: data@[0-9a-f]{8} of 2026-11-22T12:20/)
      expect(await machine.lists(61, [first, second])).toBe(0)
      expect(await machine.lists(62, [first])).toBe(1)
      expect(await machine.lists(63, [])).toBe(1)
      expect(await machine.lists(64, [])).toBe(0)
    }))

  test('also if it was put back so soon that a listing might only lag', () =>
    withMachine(async machine => {
      await machine.lists(21, [first, second, third])
      for (const minutes of [22, 30, 38]) expect(await machine.lists(minutes, [first, second])).toBe(0)
      expect(await machine.lists(40, [first, second])).toBe(1)
    }))

  test('not if a listing only lagged, or something newer is there', () =>
    withMachine(async machine => {
      await machine.lists(21, [first, second, third])
      expect(await machine.lists(25, [first])).toBe(0)
      expect(await machine.lists(50, [first, second, third])).toBe(0)
      expect(await machine.lists(100, [first, version(90)])).toBe(0)
      expect(await machine.lists(150, [version(90)])).toBe(0)
    }))

  test('not after it has removed versions itself', () =>
    withMachine(async machine => {
      await machine.lists(21, [first, second, third])
      await machine.removes(third)
      expect(await machine.lists(60, [first, second])).toBe(0)
      await machine.removes(first)
      expect(await machine.lists(90, [second])).toBe(0)
      await machine.removes(second)
      expect(await machine.lists(120, [])).toBe(0)
    }))

  test('another master key in the same place ends the command, unless this machine has made it', () =>
    withMachine(async machine => {
      await machine.lists(21, [first])
      await expect(machine.lists(22, [first], 'fedcba9876543210')).rejects.toThrow(
        'has another master key than the one that this machine used',
      )
      await machine.makes('fedcba9876543210')
      expect(await machine.lists(23, [], 'fedcba9876543210')).toBe(0)
    }))

  test.skipIf(process.platform === 'win32')('what it remembers is for this user only', () =>
    withMachine(async machine => {
      await machine.lists(21, [first])
      expect([statSync(machine.file).mode & 0o777, statSync(join(machine.folder, 'encrypted')).mode & 0o777]).toEqual([0o600, 0o700])
    }),
  )

  const newest = { name: 'data', time: START, shortId: 'ab'.repeat(8), created: START }
  const notes: unknown[] = ['', '{', 'null', '5', '[]', '{"location":"a store"}']
  for (const wrong of [
    null,
    5,
    'x',
    {},
    { ...newest, time: 'x' },
    { ...newest, created: 1e300 },
    { ...newest, shortId: 5 },
    { ...newest, time: 9e15 },
  ])
    notes.push(JSON.stringify({ location: STORE, keyId: KEY, newest: wrong }))
  test.each(notes)('a note that is damaged stops no command and is replaced: %s', note =>
    withMachine(async machine => {
      await machine.lists(21, [first, second])
      writeFileSync(machine.file, note as string)
      expect(await machine.lists(60, [first])).toBe(1)
      expect(machine.warnings[0]).toMatch(/is not used: /)
      expect(JSON.parse(readFileSync(machine.file, 'utf8'))).toMatchObject({ keyId: KEY, newest: { name: 'data' } })
      expect(await machine.lists(61, [first])).toBe(0)
      writeFileSync(machine.file, note as string)
      expect(machine.knows()).toBe(true)
      expect(() => machine.seesPlain()).toThrow('is not encrypted, but the one that this machine used there was')
    }),
  )
})
