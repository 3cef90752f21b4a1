import { describe, expect, test } from 'vitest'
import { zip } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { elementsOf, filesOf, legacyTorchFile, type View } from './tensor-files.ts'

const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
const view = (name: string, more: Partial<View> = {}): View => {
  return { name, storageClass: 'FloatStorage', key: '0', elements: 6, offset: 0, shape: [2, 3], strides: [3, 1], ...more }
}
const STORED = { 0: floats(1, 2, 3, 4, 5, 6) }

describe('a file of torch.save without zip', () => {
  test('views, tied ones, and storages of several types', async () => {
    const views = [
      view('a'),
      view('t', { shape: [3, 2], strides: [1, 3] }),
      view('tied'),
      view('b', { key: '7', storageClass: 'ByteStorage' }),
    ]
    const bytes = legacyTorchFile(views, { ...STORED, 7: Buffer.from('bytes!') })
    const { format, tensors } = await filesOf(bytes)
    expect(format).toBe('PyTorch')
    expect(tensors.map(({ name, dtype, sharedWith }) => [name, dtype, sharedWith])).toEqual([
      ['a', 'F32', undefined],
      ['t', 'F32', undefined],
      ['tied', 'F32', 'a'],
      ['b', 'U8', undefined],
    ])
    expect(await elementsOf(bytes, 't')).toEqual(floats(1, 4, 2, 5, 3, 6))
    expect(await elementsOf(bytes, 'b')).toEqual(Buffer.from('bytes!'))
  })

  test('cut short, or with a number of elements that is not true, it is damaged; of other types it is not', async () => {
    const whole = legacyTorchFile([view('a')], STORED)
    for (const end of [whole.length - 1, whole.length - 30, 100, 20])
      expect((await rejection(filesOf(whole.subarray(0, end)))).code, `${end}`).toBe('corrupt')
    const lying = Buffer.from(whole)
    lying[whole.length - 32] = 5
    expect((await rejection(filesOf(lying))).message).toBe('model is damaged: a storage does not have its stated length')
    const strange = await rejection(filesOf(legacyTorchFile([view('a', { storageClass: 'NewStorage' })], STORED)))
    expect([strange.code, strange.message]).toEqual(['unsupported', "model can't be read: a storage of an unknown type."])
  })
})

describe('tensors that are made of others', () => {
  const TENSOR =
    'ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\x06\x85K\x01\x85\x89)tR'
  const file = (pickle: string): Promise<Awaited<ReturnType<typeof filesOf>>> =>
    filesOf(
      zip([
        { name: 'm/data.pkl', data: Buffer.from(`\x80\x02}X\x01\0\0\0w${pickle}s.`, 'latin1') },
        { name: 'm/data/0', data: STORED[0] },
      ]),
    )
  const told = async (pickle: string): Promise<[string, string][]> =>
    (await file(pickle)).tensors.map(({ name, dtype, unread }) => [name, unread ?? dtype])
  const SPARSE = 'ctorch._utils\n_rebuild_sparse_tensor\n'
  const COO = 'ctorch.serialization\n_get_layout\nX\x10\0\0\0torch.sparse_coo\x85R'

  test('a tensor of a function or a class that is not known is listed, and why it is not read', async () => {
    expect(await told('ctorch._utils\n_rebuild_future_tensor\nK\x01\x85R')).toEqual([['w', '_rebuild_future_tensor makes it']])
    const stated = '(cao.lib\nInt4\nctorch\nfloat32\nK\x02\x85t'
    const call = `ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_wrapper_subclass\ncao.lib\nInt4\n`
    expect(await told(`${call}${stated}}X\x04\0\0\0data${TENSOR}stR`)).toEqual([
      ['w', 'it is a ao.lib.Int4'],
      ['w.data', 'F32'],
    ])
  })

  test('and neither repeats nor loops make them many', async () => {
    expect(await told(`${SPARSE}${COO}(${TENSOR}${TENSOR}K\x02K\x03\x86t\x86R`)).toEqual([
      ['w.indices', 'F32'],
      ['w.values', 'F32'],
      ['w.size', 'I64'],
    ])
    // each is made of the one before, twice: 2^30 ways to the innermost
    const levels = Array.from({ length: 30 }, (_, i) => `${SPARSE}NJ${String.fromCharCode(i)}\0\0\0h\x01h\x01\x87\x86Rq\x010h\x01`)
    const started = performance.now()
    expect((await told(`${SPARSE}N${TENSOR}\x85\x86Rq\x010h\x01${levels.map(level => `0${level}`).join('')}`)).length).toBeLessThan(100)
    // and one that is made of itself
    expect((await told(`${SPARSE}N]q\x01\x86Rq\x02h\x01h\x02a0`)).length).toBe(0)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})
