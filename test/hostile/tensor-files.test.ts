import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Member, npy, npyHeader, rawSafetensors, u32, zip } from '../chunking/layouts/writers.ts'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { torchFile } from '../tensors/tensor-files.ts'

const CLAIMED_BYTES = 0xf0000000

const pickled = (text: string): Buffer => Buffer.from(`\x80\x02${text}.`, 'latin1')
const TENSOR =
  'ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\x00\x08tQK\0K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR'

function torch(pickle: Uint8Array): Buffer {
  return zip([
    { name: 'm/data.pkl', data: pickle },
    { name: 'm/data/0', data: Buffer.alloc(8192) },
  ])
}

/** Writes a zip archive whose last member, which is deflated, claims to take 4 GB. The file has a hole there. */
function writeLyingZip(path: string, members: readonly Member[], length: number): void {
  const bytes = zip(members.map(member => ({ flags: 0x800, ...member })))
  const last = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1')
  bytes.writeUInt32LE(CLAIMED_BYTES, last + 20)
  bytes.writeUInt32LE(length, last + 24)
  const directoryAt = bytes.indexOf('PK\x01\x02', 0, 'latin1')
  const movedTo = CLAIMED_BYTES + 1_000_000
  bytes.writeUInt32LE(movedTo, bytes.length - 6)
  const fd = openSync(path, 'w')
  writeSync(fd, bytes, 0, directoryAt, 0)
  writeSync(fd, bytes, directoryAt, bytes.length - directoryAt, movedTo)
  closeSync(fd)
}

async function inspects(sandbox: Sandbox, name: string, bytes: Uint8Array): Promise<{ code: number | null; ms: number; error: string }> {
  writeFileSync(sandbox.in(name), bytes)
  const started = performance.now()
  const { code, signal, stderr } = await sandbox.run(['inspect', name])
  expect(signal).toBeNull()
  return { code, ms: performance.now() - started, error: stderr }
}

describe('A file with tensors is read in a time that is linear in its length, or refused', () => {
  const N = 900_000
  test.each<[string, Buffer, RegExp | undefined]>([
    ['a pickle that appends values without end', pickled(`](${'N'.repeat(N)}e`.repeat(12)), /needs too much memory/],
    ['a pickle that lists one tensor again and again', pickled(`${TENSOR}q\0](${'h\0'.repeat(N)}e`), /too many tensors/],
    ['a pickle that gives one tuple keys again and again', pickled(`(${'N'.repeat(N)}tq\x000](${'h\0QNNs'.repeat(150_000)}e`), undefined],
    ['a pickle that calls without end', pickled(`ca\nb\nq\0)${'0h\0)R'.repeat(600_000)}`), /too many containers/],
    [
      'a pickle with a number of megabytes',
      Buffer.concat([Buffer.from('\x80\x02\x8b', 'latin1'), u32(8_000_000), Buffer.alloc(8_000_000, 255), Buffer.from('.')]),
      undefined,
    ],
    ['a pickle of nested tuples', pickled(`)${'\x85'.repeat(400_000)}`), undefined],
  ])('%s', (_what, pickle, error) =>
    withSandbox(async sandbox => {
      const inspected = await inspects(sandbox, 'model.pt', torch(pickle))
      expect(inspected.ms).toBeLessThan(15_000)
      expect(inspected.code).toBe(error === undefined ? 0 : 7)
      expect(inspected.error).toMatch(error ?? /^$/)
    }),
  )

  test('one name of megabytes among thousands of tensors does not widen a table', () =>
    withSandbox(async sandbox => {
      const entries = Array.from({ length: 20_000 }, (_, i) => `"t${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`)
      const long = `"${'.a'.repeat(1_000_000)}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`
      writeFileSync(sandbox.in('a.safetensors'), rawSafetensors(`{${[...entries, long].join(',')}}`))
      expectError(await sandbox.run(['inspect', 'a.safetensors']), 7, /a name is absurdly long/)
    }))

  test('members of a zip archive that all mean the same bytes', () =>
    withSandbox(async sandbox => {
      const names = Array.from({ length: 20_000 }, (_, i) => `${i}.npy`)
      const bytes = zip([
        { name: '0.npy', data: npy(npyHeader("'<f8'", '(8000,)'), Buffer.alloc(64_000)) },
        ...names.map(name => ({ name, data: Buffer.alloc(0) })),
      ])
      for (let at = bytes.indexOf('PK\x01\x02', 0, 'latin1'); at >= 0; at = bytes.indexOf('PK\x01\x02', at + 4, 'latin1')) {
        bytes.writeUInt32LE(60_000, at + 20)
        bytes.writeUInt32LE(60_000, at + 24)
        bytes.writeUInt32LE(0, at + 42)
      }
      writeFileSync(sandbox.in('a.npz'), bytes)
      expectError(await sandbox.run(['inspect', 'a.npz']), 7, /members share bytes/)
      await sandbox.ok('push', 'a.npz')
    }))
})

describe('No length that a file states makes the program end without an error, or take memory that the file does not justify', () => {
  test('a deflated member that claims gigabytes', () =>
    withSandbox(async sandbox => {
      const order = { name: 'm/byteorder', data: deflateRawSync('big'), method: 8 }
      writeLyingZip(sandbox.in('a.pt'), [{ name: 'm/data.pkl', data: pickled('N') }, order], 3)
      expectError(await sandbox.run(['inspect', 'a.pt']), 7, /longer than what it unpacks to/)
      const array = npy(npyHeader("'<f8'", '(1,)'), Buffer.alloc(8))
      writeLyingZip(sandbox.in('a.npz'), [{ name: 'a.npy', data: deflateRawSync(array), method: 8 }], array.length)
      await sandbox.ok('inspect', 'a.npz')
      expectError(await sandbox.run(['inspect', 'a.npz', 'a.npz']), 7, /longer than what it unpacks to/)
    }))

  test('thousands of views of one storage are listed, and neither compared nor written', () =>
    withSandbox(async sandbox => {
      const view = { storageClass: 'FloatStorage', key: '0', elements: 1_000_000, shape: [1_000_000], strides: [1] }
      const views = Array.from({ length: 2000 }, (_, i) => ({ ...view, name: `t${i}`, offset: 0 }))
      writeFileSync(sandbox.in('a.pt'), torchFile(views, { 0: Buffer.alloc(4_000_000) }))
      await sandbox.ok('inspect', 'a.pt')
      await sandbox.ok('push', 'a.pt', '--name', 'a')
      expectError(await sandbox.run(['inspect', 'a.pt', 'a:a.pt']), 1, /over 100 times its size/)
      expectError(await sandbox.run(['pull', 'a:a.pt', '--tensor', '*', '-o', 'out.safetensors']), 1, /over 100 times its size/)
    }))
})
