import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readStorages } from '../../../src/chunking/layouts/torch-storages.ts'
import { findTensors, type TensorSpan } from '../../../src/chunking/tensor-layout.ts'
import { seededBytes } from '../../helpers/seeded.ts'
import { type Member, reading, u32, zip } from './writers.ts'

async function find(bytes: Uint8Array): Promise<TensorSpan[] | undefined> {
  return findTensors(bytes.length, reading(bytes).read)
}

function fixture(name: string): Buffer {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url))
}

function floats(count: number): Buffer {
  return Buffer.from(Float32Array.from({ length: count }, (_, i) => Math.sin(i)).buffer)
}

describe('what torch.save writes', () => {
  test('a checkpoint with optimizer state', async () => {
    const spans = await find(fixture('checkpoint.pt'))
    expect(spans?.map(({ name, dtype, width, kind, shape, length }) => [name, dtype, width, kind, shape, length])).toEqual([
      ['model.weight', 'F32', 4, 'float', [33, 32], 4224],
      ['optimizer.state.0.exp_avg', 'F32', 4, 'float', [33, 32], 4224],
      ['optimizer.state.0.exp_avg_sq', 'F32', 4, 'float', [33, 32], 4224],
      ['half', 'F16', 2, 'float', [64, 32], 4096],
      ['brain', 'BF16', 2, 'float', [65, 32], 4160],
      ['ids', 'I64', 8, 'int', [513], 4104],
      // a view of a larger storage, which is what is stored
      ['view', 'F32', 4, 'float', undefined, 4352],
    ])
    const ids = spans!.find(({ name }) => name === 'ids')!
    const values = fixture('checkpoint.pt').subarray(ids.offset, ids.offset + ids.length)
    expect(Array.from({ length: 513 }, (_, i) => Number(values.readBigInt64LE(i * 8)))).toEqual(Array.from({ length: 513 }, (_, i) => i))
  })

  test('a whole module, with pickle protocol 4', async () => {
    const spans = await find(fixture('module.pt'))
    expect(spans?.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([['_modules.first._parameters.weight', 'F32', [32, 33]]])
  })
})

describe('an archive of PyTorch', () => {
  const archive = (pickle: Uint8Array, ...more: Member[]) =>
    zip([
      { name: 'model/data.pkl', data: pickle },
      ...more,
      { name: 'model/data/0', data: floats(2000), padding: 30 },
      { name: 'model/data/1', data: seededBytes(6000, 1) },
      { name: 'model/code/data.py', data: seededBytes(6000, 2) },
    ])
  const pickle = Buffer.from('\x80\x02}.', 'latin1')

  test('widths are guessed where the pickle does not tell', async () => {
    for (const unclear of [pickle, Buffer.from('nonsense'), Buffer.from('')]) {
      const spans = await find(archive(unclear))
      expect(spans?.map(({ name, width, kind, length }) => [name, width, kind, length])).toEqual([
        ['data/0', 4, 'unknown', 8000],
        ['data/1', 1, 'unknown', 6000],
      ])
    }
  })

  test('big-endian numbers are no floats of this machine', async () => {
    const told = tensorPickle('FloatStorage', '0', 2000)
    const kinds = async (order: string) =>
      (await find(archive(told, { name: 'model/byteorder', data: Buffer.from(order) })))?.map(({ kind }) => kind)
    expect(await kinds('little')).toEqual(['float', 'unknown'])
    expect(await kinds('big')).toEqual(['unknown', 'unknown'])
  })

  test('types newer than storage classes are named by the tensor', () => {
    const storages = readStorages(tensorPickle('UntypedStorage', 'k', 4000, 'float8_e4m3fn'))
    expect(storages?.get('k')).toEqual({ name: 'weight', type: { width: 1, kind: 'float', dtype: 'F8_E4M3' } })
    expect(readStorages(tensorPickle('UntypedStorage', 'k', 4000, 'mystery'))?.size).toBe(0)
  })
})

describe('a pickle', () => {
  test('runs nothing: a call is only noted', () => {
    expect(readStorages(Buffer.from('\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.', 'latin1'))?.size).toBe(0)
  })

  const times = (text: string, count: number) => Buffer.from(`\x80\x02${text.repeat(count)}.`, 'latin1')
  test.each<[what: string, pickle: Buffer]>([
    ['millions of containers', times('}', 3_000_000)],
    ['millions of values', times('N', 3_000_000)],
    ['millions of notes', Buffer.concat([Buffer.from('\x80\x04N', 'latin1'), Buffer.alloc(3_000_000, 0x94), Buffer.from('.')])],
    ['millions of classes', times('cm\nn\n', 1_000_000)],
    ['a text without end', Buffer.concat([Buffer.from('\x80\x02X', 'latin1'), u32(0xffffffff)])],
    ['a number without end', Buffer.concat([Buffer.from('\x80\x02\x8b', 'latin1'), u32(0xffffffff)])],
    ['nothing to take', Buffer.from('\x80\x02\x87.', 'latin1')],
    ['no mark', Buffer.from('\x80\x02Nt.', 'latin1')],
    ['a mark for a value', Buffer.from('\x80\x02(\x85.', 'latin1')],
    ['nothing to recall', Buffer.from('\x80\x02h\x07.', 'latin1')],
    ['a protocol to come', Buffer.from('\x80\x06N.', 'latin1')],
    ['an opcode of an extension', Buffer.from('\x80\x02\x82\x01.', 'latin1')],
    ['a class without name', Buffer.from('\x80\x02cos\nsystem', 'latin1')],
    ['no end', Buffer.from('\x80\x02N', 'latin1')],
  ])('is refused with %s', (_what, bytes) => {
    expect(readStorages(bytes)).toBeUndefined()
  })

  test('that repeats itself without end is walked once', () => {
    // a list in which each of 60 levels holds the one below twice: 2^60 ways to the tensor-less bottom
    const levels = Array.from(
      { length: 60 },
      (_, i) => `](h${String.fromCharCode(i)}h${String.fromCharCode(i)}eq${String.fromCharCode(i + 1)}`,
    )
    expect(readStorages(Buffer.from(`\x80\x02]q\x00${levels.join('')}.`, 'latin1'))?.size).toBe(0)
    // and one that holds itself
    expect(readStorages(Buffer.from('\x80\x02]q\x00h\x00a.', 'latin1'))?.size).toBe(0)
  })

  test.each([
    ['millions of values in one list', `](${'N'.repeat(900_000)}e(${'N'.repeat(900_000)}e(${'N'.repeat(900_000)}e.`],
    ['millions of values in one dict', `}(${'N'.repeat(900_000)}u(${'N'.repeat(900_000)}u(${'N'.repeat(900_000)}u.`],
    ['keys for the values of a tuple, again and again', `(${'N'.repeat(900_000)}tq\x000](${'h\x00QNNs'.repeat(100_000)}e.`],
    ['a value kept under an absurd number', 'Nr\xff\xff\xff\x7f.'],
  ])('is refused with %s, or read in little memory', (_what, text) => {
    const before = process.memoryUsage().rss
    const storages = readStorages(Buffer.from(`\x80\x02${text}`, 'latin1'))
    expect(storages?.size ?? 0).toBe(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6)
  })

  test('that recalls one tensor again and again is refused', () => {
    const tensor = `ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x01tQK\x00)))tR`
    const pickle = Buffer.from(`\x80\x02${tensor}q\x000](${'h\x00'.repeat(200_000)}e.`, 'latin1')
    expect(readStorages(pickle)).toBeUndefined()
  })

  test('with long calls over and over takes no more memory for each', () => {
    const many = `(${'N'.repeat(100_000)}tq\x01`
    const calls = 'ca\nb\nh\x01R0'.repeat(50_000)
    expect(readStorages(Buffer.from(`\x80\x02${many}${calls}.`, 'latin1'))?.size).toBe(0)
  })
})

/** `{'weight': tensor}` with one storage. */
function tensorPickle(storageClass: string, key: string, elements: number, dtype?: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from('X'), u32(value.length), Buffer.from(value)])
  const int = (value: number) => Buffer.concat([Buffer.from('J'), u32(value)])
  const reference = [
    Buffer.from('('),
    text('storage'),
    Buffer.from(`ctorch\n${storageClass}\n`),
    text(key),
    text('cpu'),
    int(elements),
    Buffer.from('tQ'),
  ]
  const version = dtype === undefined ? '_v2' : '_v3'
  const last = dtype === undefined ? '' : `ctorch\n${dtype}\n`
  return Buffer.concat([
    Buffer.from('\x80\x02}', 'latin1'),
    text('weight'),
    Buffer.from(`ctorch._utils\n_rebuild_tensor${version}\n(`),
    ...reference,
    int(0),
    int(elements / 4),
    Buffer.from('\x85', 'latin1'),
    int(1),
    Buffer.from(`\x85\x89ccollections\nOrderedDict\n)R${last}tRs.`, 'latin1'),
  ])
}
