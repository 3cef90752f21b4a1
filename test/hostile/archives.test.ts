import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { npy, npyHeader, u32, zip } from '../chunking/layouts/writers.ts'
import { type CliResult, expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { paxRecord, tarEntry, tarOf } from '../helpers/tar.ts'

async function extracts(sandbox: Sandbox, name: string, bytes: Uint8Array): Promise<CliResult & { ms: number }> {
  writeFileSync(sandbox.in(name), bytes)
  const started = performance.now()
  const run = await sandbox.run(['extract', name, 'out'])
  expect(run.signal).toBeNull()
  return { ...run, ms: performance.now() - started }
}

/** A frame of blocks that repeat one byte once, with a window of 32 MiB. */
function tinyBlocks(count: number): Buffer {
  const block = (last: number): Buffer => Buffer.of((1 << 3) | 2 | last, 0, 0, 0)
  return Buffer.concat([Buffer.from('\x28\xb5\x2f\xfd\0\x78', 'latin1'), ...Array<Buffer>(count).fill(block(0)), block(1)])
}

describe('An archive is read in a time that is linear in its length, or refused', () => {
  test('a tar with a huge global header before thousands of entries', () =>
    withSandbox(async sandbox => {
      const keys = Array.from({ length: 200_000 }, (_, i) => paxRecord(`k${i}`, 'v'))
      const small = tarEntry({ name: 'x', type: 'x', content: paxRecord('mtime', '1') })
      const entries = Array.from({ length: 1000 }, (_, i) => [small, tarEntry({ name: `f${i}`, content: 'x' })]).flat()
      const bytes = gzipSync(tarOf(tarEntry({ name: 'g', type: 'g', content: Buffer.concat(keys) }), ...entries))
      const run = await extracts(sandbox, 'a.tar.gz', bytes)
      expect(run.code, run.stderr).toBe(0)
      expect(run.ms).toBeLessThan(15_000)
    }))

  test('a zstd frame of tiny blocks and a long window', () =>
    withSandbox(async sandbox => {
      const run = await extracts(sandbox, 'a.tar.zst', tinyBlocks(200_000))
      // Node's own zstd decodes it, and it is an empty archive
      expect(run.code === 0 || /very many tiny blocks/.test(run.stderr), run.stderr).toBe(true)
      expect(run.ms).toBeLessThan(15_000)
    }))
})

describe('No archive ends the program without a word', () => {
  test('a tar with a folder that states a size: what follows is extracted', () =>
    withSandbox(async sandbox => {
      const bytes = tarOf(tarEntry({ name: 'd/', type: '5', size: 4096 }), tarEntry({ name: 'd/a', content: 'a' }))
      const run = await extracts(sandbox, 'a.tar', bytes)
      expect(run.stdout).toMatch(/1 file/)
      expect(run.code).toBe(0)
    }))

  test.each([
    ['2^63 bytes in binary', Buffer.concat([Buffer.of(0x80, 0, 0, 0, 0x80), Buffer.alloc(7)])],
    ['all bits', Buffer.alloc(12, 255)],
    ['no number', Buffer.from('size unknown')],
  ])('a tar entry whose size is %s', (_what, field) =>
    withSandbox(async sandbox => {
      const set = Object.fromEntries([...field].map((byte, i) => [124 + i, byte]))
      const entry = tarEntry({ name: 'a', content: 'a', set })
      expectError(await extracts(sandbox, 'a.tar', tarOf(entry)), 7, /an entry states an impossible size/)
    }),
  )

  test('a zip whose entry claims gigabytes that are not there', () =>
    withSandbox(async sandbox => {
      const bytes = zip([{ name: 'a.npy', data: npy(npyHeader("'<f8'", '(1,)'), Buffer.alloc(8)), flags: 0x800 }])
      const record = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1')
      u32(0xf0000000).copy(bytes, record + 20)
      u32(0xf0000000).copy(bytes, record + 24)
      const run = await extracts(sandbox, 'a.zip', bytes)
      expect(run.code).toBeGreaterThan(0)
      expect(run.stderr).toMatch(/^(error|warning): .*cut off/m)
    }))
})
