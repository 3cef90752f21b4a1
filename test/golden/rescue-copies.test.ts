import { readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { encodeIndex } from '../../src/repository/format/index-object.ts'
import { indexName } from '../../src/repository/format/object-names.ts'
import { withFolder } from '../helpers/folders.ts'
import { addLabel, addVersion, craft, file } from './crafted.ts'
import { goldenRepository } from './repositories.ts'
import { rescue, restoreAll, withCopy } from './rescue-runs.ts'

const withCrafted = (use: (repo: string, first: { id: string; objectName: string }, folder: string) => Promise<void>): Promise<void> =>
  withFolder(folder => {
    const repo = join(folder, 'repo')
    return use(repo, craft(repo, [file('first')]), folder)
  })

const listed = async (repo: string): Promise<string[]> => (await rescue(repo, 'list')).stdout.trimEnd().split('\n')
const idsOf = (lines: readonly string[]): string[] => lines.map(line => /@([0-9a-f]{12}) /.exec(line)![1]!)

describe('renamed objects', () => {
  const { versions } = goldenRepository('tombs').expected
  const base = (name: string): [string, string] => [name.replace(/\.json$/, ''), name.endsWith('.json') ? '.json' : '']
  const ways: [string, (name: string, number: number) => string][] = [
    ['a browser', name => base(name).join(' (1)')],
    ['Drive', name => `Copy of ${name}`],
    ['Windows', name => base(name).join(' - Copy')],
    ['a synchroniser that found a conflict', name => base(name).join('.sync-conflict-20260101-101010-ABCDEFG')],
    ['an interrupted copy', name => `${name}.tmp`],
    ['rsync', name => `.${name}.Ab12Cd`],
    ['an old file system', name => name.toUpperCase()],
    ['a person', (_, number) => `file ${number}`],
  ]

  test.each(ways)('by %s are found by their content', (_, rename) =>
    withCopy(goldenRepository('tombs'), async (folder, repo) => {
      const plain = await rescue(repo, 'list')
      const names = readdirSync(repo).filter(name => name !== 'config.json')
      for (const [number, name] of names.entries()) renameSync(join(repo, name), join(repo, rename(name, number)))
      const run = await rescue(repo, 'list')
      expect(run.stdout.replaceAll(/\[.*\]/g, '')).toBe(plain.stdout.replaceAll(/\[.*\]/g, ''))
      for (const [number, name] of names.entries()) {
        if (!name.startsWith('tomb-')) expect(run.stderr).toContain(`${rename(name, number)} is used as `)
      }
      await restoreAll(folder, repo, versions)
    }),
  )

  test('a copy that is damaged is no version', () =>
    withCrafted(async (repo, { objectName }) => {
      const name = objectName.replace('.json', ' (1).json')
      writeFileSync(join(repo, name), readFileSync(join(repo, objectName), 'utf8').replace('"files": 0', '"files": 1'))
      const run = await rescue(repo, 'list')
      expect(run.stdout.trimEnd().split('\n')).toHaveLength(1)
      expect(run.stderr).toContain(`${name} is left out: it does not match the checksum in its name`)
    }))
})

test('where an index describes a pack differently, the pack decides', () =>
  withCopy(goldenRepository('basic'), async (folder, repo) => {
    const packs = readdirSync(repo).filter(name => name.startsWith('pack-'))
    const directories = packs.map(name => {
      const bytes = readFileSync(join(repo, name))
      return bytes.subarray(bytes.length - 56 - bytes.readUInt32LE(bytes.length - 40), bytes.length - 56)
    })
    const lies = packs.map((name, i) => ({ id: name.slice('pack-'.length), size: 1000, directoryBytes: directories.at(i - 1)! }))
    const { id, bytes } = encodeIndex({ packs: lies, supersedes: [] }, new Uint8Array(16))
    for (const name of readdirSync(repo)) if (name.startsWith('index-')) renameSync(join(repo, name), join(folder, name))
    writeFileSync(join(repo, indexName(id)), bytes)
    expect((await rescue(repo, 'list')).stderr).toContain(`an index has another directory of pack ${packs[0]!.slice(5, 17)}`)
    await restoreAll(folder, repo, goldenRepository('basic').expected.versions)
  }))

describe('labels', () => {
  test('are applied in the order of their times, whatever the order of the files', () =>
    withCrafted(async (repo, { id }) => {
      for (const time of [3, 1, 2]) {
        addLabel(repo, { snapshot: id, time, ...(time === 2 ? { remove: ['best'] } : { add: ['best'] }) })
        await delay(20) // more than a tick of the clock of file times
      }
      expect((await listed(repo))[0]).toContain('[best]')
    }))

  test('with a time that can’t be right have the time of their file', () =>
    withCrafted(async (repo, { id }) => {
      addLabel(repo, { snapshot: id, time: Date.UTC(2099, 0), add: ['best'] })
      addLabel(repo, { snapshot: id, time: Date.now() + 20 * 3_600_000, remove: ['best'] })
      expect((await listed(repo))[0]).not.toContain('[best]')
    }))

  test('a tag that one label removes and adds is there', () =>
    withCrafted(async (repo, { id }) => {
      addLabel(repo, { snapshot: id, time: 1, add: ['best'] })
      addLabel(repo, { snapshot: id, time: 2, add: ['best', 'best'], remove: ['best'] })
      expect((await listed(repo))[0]).toMatch(/ {2}\[best\]$/)
    }))

  test('of forgotten versions are passed over in silence, damaged ones are named', () =>
    withCrafted(async repo => {
      addLabel(repo, { snapshot: '0'.repeat(64), add: ['best'] })
      expect((await rescue(repo, 'list')).stderr).toBe('')
      addLabel(repo, { snapshot: ['no id'], add: ['best'] })
      expect((await rescue(repo, 'list')).stderr).toMatch(/^rescue\.py: label-[0-9a-f]{64}\.json is left out/)
    }))
})

test.each([
  [{ files: 4, carried: 1 }, '  incomplete: 3 files missing, 1 from an earlier version'],
  [{ files: 5, carried: 1, folders: 1 }, '  incomplete: 3 files and 1 folder of unknown content missing, 1 from an earlier version'],
  [{ files: 2, carried: 0, folders: 2 }, '  incomplete: 2 folders of unknown content missing'],
  [{ files: 1, carried: 0 }, '  incomplete: 1 file missing'],
  [{ files: 2, carried: 2 }, '  incomplete: 2 from an earlier version'],
])('a version whose push could not read everything says so: %o', (incomplete, text) =>
  withCrafted(async (repo, _, folder) => {
    const fields = { time: 2000, incomplete }
    const { id } = addVersion(repo, [file('second')], fields)
    expect((await listed(repo)).filter(line => line.endsWith(text))).toHaveLength(1)
    const run = await rescue(repo, 'restore', 'crafted', join(folder, 'out'))
    expect(run.code).toBe(0)
    expect(run.stderr).toContain(`crafted@${id.slice(0, 12)}: ${text.trim()}`)
  }),
)

describe('times that can’t be right', () => {
  const YEAR_9999 = Date.UTC(9999, 11, 31)
  const YEAR_2099 = Date.UTC(2099, 11, 31)
  const HOUR = 3_600_000
  const now = Date.now()

  /** Stores three versions of these times, each the parent of the next, and gives their ids. */
  const chain = (repo: string, times: readonly number[]): string[] => {
    let parent: string | null = null
    return times.map((time, i) => (parent = addVersion(repo, [file(String(i))], { name: 'chain', time, listed: time, parent }).id))
  }

  test('a version is older than its children', () =>
    withCrafted(async repo => {
      const ids = chain(repo, [now - 3 * HOUR, YEAR_9999, YEAR_2099, now - 2 * HOUR, now - HOUR])
      const lines = (await listed(repo)).filter(line => line.startsWith('chain'))
      expect(idsOf(lines)).toEqual(ids.map(id => id.slice(0, 12)))
      expect(lines[1]).toContain('its own time, 99991231T000000000Z, can\'t be right')
      expect(lines.filter(line => line.includes('can\'t be right'))).toHaveLength(2)
      expect((await rescue(repo, 'verify', 'chain')).stdout).toContain(ids.at(-1)!.slice(0, 12))
    }))

  test('without children it is as old as its listing or its file', () =>
    withCrafted(async repo => {
      const { id, objectName } = addVersion(repo, [file('a')], { time: YEAR_2099, listed: now - 2 * HOUR })
      const { id: newer } = addVersion(repo, [file('b')], { time: now - HOUR })
      expect(idsOf(await listed(repo)).slice(1)).toEqual([id, newer].map(id => id.slice(0, 12)))
      utimesSync(join(repo, objectName), 0, 0)
      expect(idsOf(await listed(repo))[0]).toBe(id.slice(0, 12))
    }))

  test('a machine and a store whose clocks are wrong leave only the time of the file', () =>
    withCrafted(async repo => {
      const { id, objectName } = addVersion(repo, [file('a')], { time: YEAR_2099, listed: YEAR_2099 })
      const { id: newer } = addVersion(repo, [file('b')], { time: now - HOUR })
      expect(idsOf(await listed(repo)).slice(1)).toEqual([newer, id].map(id => id.slice(0, 12)))
      utimesSync(join(repo, objectName), (now - 2 * HOUR) / 1000, (now - 2 * HOUR) / 1000)
      expect(idsOf(await listed(repo)).slice(1)).toEqual([id, newer].map(id => id.slice(0, 12)))
    }))

  test('a clock that is a few hours ahead is believed', () =>
    withCrafted(async repo => {
      const ids = chain(repo, [now + 20 * HOUR, now + 21 * HOUR])
      expect(idsOf(await listed(repo)).slice(1)).toEqual(ids.map(id => id.slice(0, 12)))
      expect((await rescue(repo, 'list')).stdout).not.toContain('can\'t be right')
    }))
})

test('an id of eight or more digits means that version, whatever tags and names there are', () =>
  withCrafted(async (repo, { id }) => {
    const names = [id.slice(0, 8), id.slice(0, 7)]
    for (const [i, name] of names.entries()) addVersion(repo, [file('other')], { name, time: 2000 + i })
    addVersion(repo, [file('other')], { time: 3000, tags: [id, id.slice(0, 8), id.slice(0, 12), id.slice(0, 7)] })
    const meant = async (version: string): Promise<boolean> => (await rescue(repo, 'verify', version)).stdout.startsWith(`crafted@${id.slice(0, 12)}:`)
    for (const digits of [8, 12, 64]) {
      expect(await meant(id.slice(0, digits))).toBe(true)
      expect(await meant(`crafted@${id.slice(0, digits)}`)).toBe(true)
    }
    expect(await meant(`crafted@${id.slice(0, 7)}`)).toBe(false)
    expect(await meant(id.slice(0, 7))).toBe(false)
    expect(await meant(id.slice(0, 6))).toBe(true)
  }))
