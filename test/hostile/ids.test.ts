import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeLabel } from '../../src/repository/format/label-and-tomb.ts'
import { labelName } from '../../src/repository/format/object-names.ts'
import { encodeSnapshot } from '../../src/repository/format/snapshot.ts'
import { rescue } from '../golden/rescue-runs.ts'
import { aSnapshot } from '../helpers/a-snapshot.ts'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

interface Versions {
  good: string
  evil: string
}

/** A repository with two versions of `data`: file `f` says GOOD in the older one, and EVIL in the newer one. */
async function twoVersions(sandbox: Sandbox): Promise<Versions> {
  const ids: string[] = []
  for (const text of ['GOOD', 'EVIL']) {
    makeTree(sandbox.in('data'), { f: text })
    ids.push((await sandbox.json<{ version: string }>('push', 'data')).version)
  }
  return { good: ids[0]!, evil: ids[1]! }
}

function addTags(sandbox: Sandbox, snapshot: string, add: string[]): void {
  const { id, bytes } = encodeLabel({ snapshot, add, remove: [] }, '0'.repeat(32))
  writeFileSync(join(sandbox.store, labelName(id)), bytes)
}

const cat = async (sandbox: Sandbox, version: string): Promise<string> => (await sandbox.ok('cat', `${version}:f`)).stdout

const beginnings = (id: string, lengths: readonly number[]): string[] =>
  lengths.flatMap(length => [id.slice(0, length), id.slice(0, length).toUpperCase()])

describe('The digits of an id never mean another version than that of the id', () => {
  test('tags that are the beginnings of the id of another version', () =>
    withSandbox(async sandbox => {
      const { good, evil } = await twoVersions(sandbox)
      addTags(sandbox, evil, beginnings(good, [4, 5, 6, 7, 8, 12, 16, 17, 40, 63, 64]))
      for (const at of [good.slice(0, 8), good.slice(0, 8).toUpperCase(), good]) {
        expect(await cat(sandbox, `data@${at}`), at).toBe('GOOD')
        expect((await rescue(sandbox.store, 'verify', `data@${at}`)).stdout, at).toContain(good.slice(0, 12))
      }
      const far = await sandbox.run(['cat', `data@${good}~1:f`])
      expectError(far, 5, /^error: No version of data matches/)
      for (const at of [good.slice(0, 4), good.slice(0, 7).toUpperCase()]) {
        const run = await sandbox.run(['cat', `data@${at}:f`])
        const { message } = expectError(run, 2, /^error: @/)
        expect(message).toBe(`@${at} is a tag of ${evil.slice(0, 8)} and the beginning of the id ${good.slice(0, 8)}.`)
        expect(run.stdout).toBe('')
        const rescued = await rescue(sandbox.store, 'verify', `data@${at}`)
        expect([rescued.code, rescued.stderr]).toEqual([1, expect.stringContaining('means 2 versions')])
      }
    }))

  test('a tag with the whole id of a version that is gone', () =>
    withSandbox(async sandbox => {
      const { good, evil } = await twoVersions(sandbox)
      rmSync(
        join(
          sandbox.store,
          readdirSync(sandbox.store).find(name => name.includes(good.slice(0, 16)))!,
        ),
      )
      addTags(sandbox, evil, beginnings(good, [64]))
      for (const at of [good, good.toUpperCase()]) {
        expectError(await sandbox.run(['cat', `data@${at}:f`]), 5, /^error: No version of data matches/)
        expect((await rescue(sandbox.store, 'verify', `data@${at}`)).code).toBe(1)
      }
      expectError(await sandbox.run(['tag', 'data', good]), 2, /can't be a tag: after an @ it means an id/)
    }))

  test('a version whose name is the id of another', () =>
    withSandbox(async sandbox => {
      const { good } = await twoVersions(sandbox)
      for (const name of [good, good.slice(0, 8)]) {
        await sandbox.ok('push', 'data', '--name', name)
        expect((await rescue(sandbox.store, 'verify', name)).stdout).toContain(`data@${good.slice(0, 12)}`)
        expect(await cat(sandbox, `data@${name}`)).toBe('GOOD')
      }
    }))

  test('ids that are also durations, and tags that are digits of a decimal number or a date', () =>
    withSandbox(async sandbox => {
      const { good, evil } = await twoVersions(sandbox)
      addTags(sandbox, evil, ['12345678', '20261120', '1234567d'])
      // no id begins so: these are tags
      for (const tag of ['12345678', '1234567d']) expect(await cat(sandbox, `data@${tag}`)).toBe('EVIL')
      // an id of decimal digits, found by trying
      for (let time = Date.now(); ; time++) {
        const made = encodeSnapshot(aSnapshot({ time, listed: time, tags: [], message: 'digits' }))
        if (!/^\d{8}/.test(made.id)) continue
        addTags(sandbox, evil, [made.id.slice(0, 8)])
        writeFileSync(join(sandbox.store, made.objectName), made.bytes)
        const { version } = await sandbox.json<{ version: string }>('ls', `data@${made.id.slice(0, 8)}`)
        expect(version).toBe(made.id)
        expect(await cat(sandbox, `data@${made.id.slice(0, 8)}~1`)).toBe('EVIL')
        break
      }
      expect(good).not.toBe(evil)
    }))

  test('damaged snapshots under the id of another, and copies of it under other spellings of its name', () =>
    withSandbox(async sandbox => {
      const { good, evil } = await twoVersions(sandbox)
      const honest = readdirSync(sandbox.store).find(name => name.includes(good.slice(0, 16)))!
      const time = honest.split('-')[1]!
      writeFileSync(join(sandbox.store, honest.replace(time, '20200101T000000000Z')), '{}')
      for (const at of [good, good.slice(0, 17)]) expect(await cat(sandbox, `data@${at}`)).toBe('GOOD')
      expectError(await sandbox.run(['cat', `data@${good.slice(0, 8)}:f`]), 2, /is the beginning of 2 ids/)

      const newest = readdirSync(sandbox.store).find(name => name.includes(evil.slice(0, 16)))!
      writeFileSync(join(sandbox.store, newest.replace('-data.', '-%64ata.')), readFileSync(join(sandbox.store, newest)))
      expect(await cat(sandbox, `data@${evil}`)).toBe('EVIL')
      expect(await cat(sandbox, 'data~1')).toBe('GOOD')
    }))
})
