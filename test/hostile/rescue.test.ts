import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { NewBlock } from '../../src/repository/format/directory.ts'
import { sha256, sha256Hex } from '../../src/util/hash.ts'
import { rawBlock } from '../helpers/encode.ts'
import { addPack, addVersion, craft, file } from '../golden/crafted.ts'
import { rescue } from '../golden/rescue-runs.ts'
import { withSandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { plantedObjects, writeObjects } from '../helpers/plant.ts'

const EVIL = Buffer.from('evil')
const MANIFEST = `${JSON.stringify({ path: 'a', type: 'file', mode: '644', mtime: '0', size: 4, chunks: [sha256Hex(EVIL)] })}\n`

describe('rescue.py ends in time, whatever a repository claims about its chunks', () => {
  test('blocks that are each predicted from many others, which are predicted from many others', () =>
    withFolder(async path => {
      const repo = join(path, 'repo')
      craft(repo, [file('a')])
      const all = Array.from({ length: 30 }, (_, i) => i)
      const blocks = [0, 1, 2, 3, 4, 5, 6, 7].flatMap(depth => all.map(i => blockOf(depth, i, all)))
      addPack(repo, blocks)
      const last = content(7, 0, 0)
      addVersion(repo, [{ ...file('a'), size: last.length, chunks: [sha256Hex(last)] }], { time: 2000 })
      const started = Date.now()
      await rescue(repo, 'verify', 'crafted')
      expect(Date.now() - started).toBeLessThan(15_000)
    }))

  test('a chunk with a hundred thousand copies, none of which is right', () =>
    withFolder(async path => {
      const repo = join(path, 'repo')
      craft(repo, [file('a')])
      const id = sha256(Buffer.from([1]))
      const lies = (count: number, byte: number): NewBlock => ({
        ...rawBlock(Buffer.alloc(count, byte)),
        chunkIds: Buffer.concat(Array<Uint8Array>(count).fill(id)),
        chunkLengths: Array<number>(count).fill(1),
      })
      for (const byte of [2, 3]) addPack(repo, [lies(50_000, byte)])
      addVersion(repo, [{ ...file('a'), size: 1, chunks: [sha256Hex(Buffer.from([1]))] }], { time: 2000 })
      const started = Date.now()
      const run = await rescue(repo, 'verify', 'crafted')
      expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('does not match its checksum')])
      expect(Date.now() - started).toBeLessThan(10_000)
    }))
})

const content = (depth: number, block: number, chunk: number): Buffer => Buffer.from([depth, block, chunk])

/** A block whose chunks each have their base in another block of the depth below: more blocks than are remembered. */
function blockOf(depth: number, block: number, chunks: readonly number[]): NewBlock {
  const differences = chunks.flatMap(chunk => {
    const base = content(depth - 1, chunk, block)
    return [...content(depth, block, chunk)].map((byte, i) => (byte - base[i]! >= 0 ? 2 * (byte - base[i]!) : 2 * (base[i]! - byte) - 1))
  })
  const plain = Buffer.concat(chunks.map(chunk => content(depth, block, chunk)))
  const { block: stored } = rawBlock(depth === 0 ? plain : Buffer.from(differences))
  return {
    block: depth === 0 ? stored : { ...stored, filter: 2, parameters: Uint8Array.of(1) },
    chunkIds: Buffer.concat(chunks.map(chunk => sha256(content(depth, block, chunk)))),
    chunkLengths: chunks.map(() => 3),
    ...(depth === 0 ? {} : { bases: new Map(chunks.map(chunk => [chunk, { depth, ids: [sha256(content(depth - 1, chunk, block))] }])) }),
  }
}

test('rescue.py restores into no folder that other users can change', () =>
  withFolder(async path => {
    craft(join(path, 'repo'), [file('a')])
    mkdirSync(join(path, 'out'))
    chmodSync(join(path, 'out'), 0o1777)
    const run = await rescue(join(path, 'repo'), 'restore', 'crafted', join(path, 'out'))
    expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('other users can change')])
    expect(existsSync(join(path, 'out', 'a'))).toBe(false)
  }))

describe('rescue.py runs no code that lies in a folder with the repository', () => {
  test.each(['argparse.py', 'zstandard.py', 'json.py'])('a file %s beside it', name =>
    withSandbox(async sandbox => {
      writeObjects(sandbox.store, plantedObjects({ chunks: [EVIL], manifest: MANIFEST }))
      const script = join(sandbox.store, 'rescue.py')
      writeFileSync(script, readFileSync(fileURLToPath(new URL('../../docs/rescue.py', import.meta.url))))
      writeFileSync(join(sandbox.store, name), `open(${JSON.stringify(sandbox.in('ran'))}, 'w')\n`)
      const child = spawn('python3', [script, sandbox.store, 'restore', 'data', sandbox.in('out')], { stdio: 'ignore', cwd: sandbox.store })
      expect(await new Promise(resolve => child.once('close', resolve))).toBe(0)
      expect(existsSync(sandbox.in('ran'))).toBe(false)
      expect(readFileSync(sandbox.in('out', 'a'), 'utf8')).toBe('evil')
    }),
  )

  test('objects that are pipes or links are no objects, and are not waited for', () =>
    withSandbox(async sandbox => {
      writeObjects(sandbox.store, plantedObjects({ chunks: [EVIL], manifest: MANIFEST }))
      for (const name of readdirSync(sandbox.store).filter(each => each.startsWith('index-'))) {
        rmSync(join(sandbox.store, name))
        symlinkSync('/dev/zero', join(sandbox.store, name))
      }
      const run = await rescue(sandbox.store, 'restore', 'data', sandbox.in('out'))
      expect(run.code, run.stderr).toBe(0)
    }))
})
