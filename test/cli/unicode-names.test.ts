import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseSnapshotObjectName, snapshotObjectName } from '../../src/repository/format/object-names.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

/** One code point for the letter with its accent, as keyboards give it. */
const NFC = 'caf\u00e9'
/** The letter and its accent, as folders of macOS have them. */
const NFD = 'cafe\u0301'
const RESCUE = fileURLToPath(new URL('../../docs/rescue.py', import.meta.url))

const namesOf = async (sandbox: Sandbox): Promise<[string, number][]> =>
  (await sandbox.json<{ names: { name: string; versions: number }[] }>('ls')).names.map(({ name, versions }) => [name, versions])

test('a folder whose name comes in either form is one name, and either form finds it', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('mac', NFD), { a: '1' })
    makeTree(sandbox.in('linux', NFC), { a: '2' })
    await sandbox.ok('push', `mac/${NFD}`)
    await sandbox.ok('push', `linux/${NFC}`)
    writeFileSync(sandbox.in('x'), 'x')
    await sandbox.ok('push', 'x', '--name', NFD)
    expect(await namesOf(sandbox)).toEqual([[NFC, 3]])
    for (const name of [NFC, NFD]) {
      expect((await sandbox.ok('log', name, '--ids')).stdout.trimEnd().split('\n')).toHaveLength(3)
      await sandbox.ok('pull', `${name}~1`, `out-${name}`)
      expect(readFileSync(sandbox.in(`out-${name}/a`), 'utf8')).toBe('2')
      await sandbox.ok('tag', name, 'seen')
      await sandbox.ok('status', `mac/${name}`.replace(NFC, NFD), '--refresh')
    }
    await sandbox.ok('forget', NFD, '--all')
    expect(await namesOf(sandbox)).toEqual([])
  }))

/** Gives the only version of the store another spelling of its name, as an older program on macOS wrote it. */
function respell(store: string, name: string): string {
  const old = readdirSync(store).find(each => each.startsWith('snapshot-'))!
  const text = readFileSync(join(store, old), 'utf8').replace(/"name": "[^"]*"/, `"name": ${JSON.stringify(name)}`)
  const id = sha256Hex(Buffer.from(text))
  const { time } = parseSnapshotObjectName({ name: old, size: 0, created: 0 })!
  rmSync(join(store, old))
  writeFileSync(join(store, snapshotObjectName(time, id, name)), text)
  return id
}

test('a version that was written under the other form is found, continued, verified and rescued', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in(NFC), { a: '1' })
    await sandbox.ok('push', NFC)
    const id = respell(sandbox.store, NFD)
    expect((await sandbox.ok('log', NFC, '--ids')).stdout).toBe(`${id}\n`)
    await sandbox.ok('check', '--read-data')
    for (const name of [NFC, NFD]) {
      const rescued = spawnSync('python3', ['-I', RESCUE, sandbox.store, 'restore', name, sandbox.in(`rescued-${name}`)], {
        encoding: 'utf8',
      })
      expect(rescued.status, rescued.stderr).toBe(0)
      expect(existsSync(sandbox.in(`rescued-${name}/a`))).toBe(true)
    }
    writeFileSync(sandbox.in(NFC, 'a'), '2')
    await sandbox.ok('push', NFC)
    expect(await namesOf(sandbox)).toEqual([[NFC, 2]])
    await sandbox.ok('pull', `${NFD}~1`, 'out')
    expect(readFileSync(sandbox.in('out/a'), 'utf8')).toBe('1')
    await sandbox.ok('forget', NFC, '--all')
    expect(readdirSync(sandbox.store).filter(name => name.startsWith('snapshot-'))).toEqual([])
  }))

test('a name that is too long says in characters and bytes by how much, and how to choose another', () =>
  withSandbox(async sandbox => {
    const long = '\u65e5\u672c\u8a9e'.repeat(8)
    makeTree(sandbox.in(long), { a: '1' })
    const { message, hint } = expectError(
      await sandbox.run(['push', long]),
      2,
      /its 24 characters are 72 bytes long in UTF-8, 64 are allowed/,
    )
    expect(message).toContain(long)
    expect(hint).toContain('--name')
    await sandbox.ok('push', long, '--name', 'nihongo')
    expectError(await sandbox.run(['pull', long, 'out']), 2, /24 characters are 72 bytes long/)
    // the composed form is what counts
    makeTree(sandbox.in('e\u0301'.repeat(30)), { a: '1' })
    await sandbox.ok('push', 'e\u0301'.repeat(30))
  }))
