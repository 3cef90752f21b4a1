import { expect, test } from 'vitest'
import { unsnappy } from '../../../src/chunking/layouts/snappy.ts'
import { findTensors } from '../../../src/chunking/tensor-layout.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { seededBytes } from '../../helpers/seeded.ts'
import { checkpointIndex, type Variable } from '../../tensors/checkpoint-files.ts'

const MOST = 1 << 20
const fromHex = (hex: string): Buffer => Buffer.from(hex, 'hex')

test.each<[what: string, stored: string, plain: Buffer]>([
  ['nothing', '00', Buffer.alloc(0)],
  ['a byte', '010061', Buffer.from('a')],
  [
    'a text that repeats',
    `9209986c617965722f6b65726e656c2f2e415454524942555445532f5641524941424c455f56414c5545${'fe2700'.repeat(17)}aa2700`,
    Buffer.from('layer/kernel/.ATTRIBUTES/VARIABLE_VALUE'.repeat(30)),
  ],
  [
    'a long literal, and copies that overlap themselves',
    `e80df40501${Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i)).toString('hex')}000102030405fe0001fe0001fe0001fe0001fe0001fe0001fe0001e60001` +
      `0078${'fe0100'.repeat(15)}9a0100`,
    Buffer.concat([...Array<Uint8Array>(3).fill(Uint8Array.from({ length: 256 }, (_, i) => i)), Buffer.alloc(1000, 'x')]),
  ],
  ['a copy with 4 bytes of distance', '080c616263640f04000000', Buffer.from('abcdabcd')],
  ['a copy with 11 bits of distance', '080c616263640104', Buffer.from('abcdabcd')],
])('what google/snappy compresses is unpacked: %s', (_what, stored, plain) => {
  expect(Buffer.from(unsnappy(fromHex(stored), MOST))).toEqual(plain)
})

test.each<[what: string, stored: string]>([
  ['is empty', ''],
  ['has an endless length', 'ffffffffffffffff'],
  ['states gigabytes', 'ffffffff0f0061'],
  ['is longer than stated', '0100610062'],
  ['is shorter than stated', '020061'],
  ['has a literal that is cut short', '05106162'],
  ['has a literal longer than it states to be', '02106162636465'],
  ['begins with a copy', '0401010000'],
  ['copies from before its beginning', '08006101ff'],
  ['copies from itself', '0800610100'],
  ['ends in a tag', '0300610a'],
])('a block that %s is damaged', (_what, stored) => {
  let error: unknown
  try {
    unsnappy(fromHex(stored), MOST)
  } catch (thrown) {
    error = thrown
  }
  expect(isAppError(error, 'corrupt')).toBe(true)
})

test('a block never takes more than the bytes that are left for it', () => {
  expect(unsnappy(fromHex('010061'), 1)).toHaveLength(1)
  expect(() => unsnappy(fromHex('020461 62'.replace(' ', '')), 1)).toThrow(/absurd length/)
})

const elements = seededBytes(20_000, 1)
const variables: Variable[] = [
  { name: 'a/bias', dataType: 1, shape: [2], offset: 0, length: 8, shard: 1 },
  { name: 'a/kernel', dataType: 1, shape: [40, 100], offset: 100, length: 16_000 },
  { name: 'a/step', dataType: 9, shape: [], offset: 16_100, length: 8 },
]

async function cuts(path: string, index: Uint8Array | undefined): Promise<unknown> {
  const asked: string[] = []
  const spans = await findTensors(elements.length, (offset, length) => Promise.resolve(elements.subarray(offset, offset + length)), {
    path,
    readBeside: path => {
      asked.push(path)
      return index
    },
  })
  return { asked, spans: spans?.map(({ name, offset, length, dtype, kind }) => [name, offset, length, dtype, kind]) }
}

test('a file of elements is cut as the index beside it says, with compressed blocks and without', async () => {
  for (const compression of [0, 1]) {
    const index = checkpointIndex(variables, { shards: 2, compression })
    expect(await cuts('/runs/ckpt-1.data-00000-of-00002', index)).toEqual({
      asked: ['/runs/ckpt-1.index'],
      spans: [
        ['a/kernel', 100, 16_000, 'F32', 'float'],
        ['a/step', 16_100, 8, 'I64', 'int'],
      ],
    })
    expect(await cuts('ckpt.data-00001-of-00002', index)).toMatchObject({ spans: [['a/bias', 0, 8, 'F32', 'float']] })
  }
})

test('big-endian elements have no sign where others have it', async () => {
  const index = checkpointIndex(variables.slice(1), { bigEndian: 1 })
  expect(await cuts('ckpt.data-00000-of-00001', index)).toMatchObject({
    spans: [
      ['a/kernel', 100, 16_000, undefined, 'unknown'],
      ['a/step', 16_100, 8, undefined, 'unknown'],
    ],
  })
})

test.each<[what: string, path: string, index: Uint8Array | undefined]>([
  ['no index is there', 'ckpt.data-00000-of-00001', undefined],
  ['the index is of other files', 'ckpt.data-00000-of-00003', checkpointIndex(variables, { shards: 2 })],
  ['the index is damaged', 'ckpt.data-00000-of-00002', checkpointIndex(variables, { shards: 2 }).subarray(1)],
  ['the index is of a longer file', 'ckpt.data-00000-of-00001', checkpointIndex([{ ...variables[1]!, offset: 5000 }])],
  ['two tensors overlap', 'ckpt.data-00000-of-00001', checkpointIndex([variables[1]!, { ...variables[1]!, name: 'b', offset: 101 }])],
])('it is cut by its content where %s', async (_what, path, index) => {
  expect(await cuts(path, index)).toEqual({ asked: [path.replace(/\.data.*/, '.index')], spans: undefined })
})
