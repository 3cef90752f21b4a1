import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openElements } from '../../src/tensors/element-reader.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import { parametersOf } from '../../src/tensors/tensor.ts'
import { isAppError, type AppError } from '../../src/util/errors.ts'
import { gguf, npy, npyHeader, rawSafetensors, safetensors, zip } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes, seededText } from '../helpers/seeded.ts'
import { deflatedZip, elementsOf, filesOf, sourceOf, torchFile, type View } from './tensor-files.ts'

const fixture = (name: string): Buffer => readFileSync(new URL(`../chunking/layouts/fixtures/${name}`, import.meta.url))
const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)

const refusal = (bytes: Uint8Array, what?: string): Promise<AppError> => rejection(filesOf(bytes, what))

describe('safetensors', () => {
  test('small and empty tensors too, types of their own, and the metadata', async () => {
    const file = await filesOf(
      safetensors([
        { name: 'b', dtype: 'BF16', shape: [2, 3], data: seededBytes(12, 1) },
        { name: 'none', dtype: 'F64', shape: [0, 7], data: Buffer.alloc(0) },
        { name: '__proto__', dtype: 'F4', shape: [4], data: seededBytes(2, 1) },
        { name: 'scalar', dtype: 'I64', shape: [], data: seededBytes(8, 1) },
      ]),
    )
    expect(file.format).toBe('safetensors')
    expect([...file.metadata]).toEqual([
      ['format', 'pt'],
      ['a "quoted" [{key', 'value'],
    ])
    expect(file.tensors.map(({ name, dtype, shape, count, bytes, type }) => [name, dtype, shape, count, bytes, type?.width])).toEqual([
      ['b', 'BF16', [2, 3], 6, 12, 2],
      ['none', 'F64', [0, 7], 0, 0, 8],
      ['__proto__', 'F4', [4], 4, 2, undefined],
      ['scalar', 'I64', [], 1, 8, 8],
    ])
    expect(parametersOf(file)).toBe(11)
  })

  test('cut short or overlapping is damaged, and says what to do', async () => {
    const whole = safetensors([{ name: 'a', dtype: 'F32', shape: [100], data: seededBytes(400, 1) }])
    const cut = await refusal(whole.subarray(0, 300), 'best.safetensors')
    expect([cut.code, cut.message]).toEqual(['corrupt', 'best.safetensors is damaged: a tensor lies outside of it'])
    expect(cut.hint).toMatch(/truncated/)
    expect((await refusal(whole.subarray(0, 50), 'best.safetensors')).message).toMatch(/its header is longer than the file/)
    const overlap = rawSafetensors(
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
      Buffer.alloc(3),
    )
    expect((await refusal(overlap)).message).toMatch(/overlap/)
  })
})

describe('PyTorch', () => {
  test('all tensors of a checkpoint, with the names of its optimizer state', async () => {
    const file = await filesOf(fixture('checkpoint.pt'))
    expect(file.tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['model.weight', 'F32', [33, 32]],
      ['optimizer.state.0.step', 'F32', []],
      ['optimizer.state.0.exp_avg', 'F32', [33, 32]],
      ['optimizer.state.0.exp_avg_sq', 'F32', [33, 32]],
      ['half', 'F16', [64, 32]],
      ['brain', 'BF16', [65, 32]],
      ['ids', 'I64', [513]],
      ['view', 'F32', [31, 34]],
      ['tiny', 'F32', [3]],
    ])
    const ids = await elementsOf(fixture('checkpoint.pt'), 'ids')
    expect(Array.from({ length: 513 }, (_, i) => Number(ids.readBigInt64LE(i * 8)))).toEqual(Array.from({ length: 513 }, (_, i) => i))
  })

  const view = (name: string, more: Partial<View>): View => ({
    name,
    storageClass: 'FloatStorage',
    key: '0',
    elements: 6,
    offset: 0,
    shape: [2, 3],
    strides: [3, 1],
    ...more,
  })

  test('views of one storage: transposed, expanded, shared; elements come in order', async () => {
    const bytes = torchFile(
      [
        view('whole', {}),
        view('tied', {}),
        view('transposed', { shape: [3, 2], strides: [1, 3] }),
        view('row', { offset: 3, shape: [1, 3], strides: [99, 1] }),
        view('expanded', { offset: 1, shape: [2, 2], strides: [0, 2] }),
        view('complex', { storageClass: 'ComplexFloatStorage', key: '1', elements: 4, shape: [2, 2], strides: [1, 2] }),
      ],
      { 0: floats(1, 2, 3, 4, 5, 6), 1: floats(1, -1, 2, -2, 3, -3, 4, -4) },
    )
    const file = await filesOf(bytes)
    expect(file.tensors.map(({ name, sharedWith }) => [name, sharedWith])).toContainEqual(['tied', 'whole'])
    expect(parametersOf(file)).toBe(6 + 6 + 3 + 4 + 4)
    expect(await elementsOf(bytes, 'whole')).toEqual(floats(1, 2, 3, 4, 5, 6))
    expect(await elementsOf(bytes, 'transposed')).toEqual(floats(1, 4, 2, 5, 3, 6))
    expect(await elementsOf(bytes, 'row')).toEqual(floats(4, 5, 6))
    expect(await elementsOf(bytes, 'expanded')).toEqual(floats(2, 4, 2, 4))
    expect(await elementsOf(bytes, 'complex')).toEqual(floats(1, -1, 3, -3, 2, -2, 4, -4))
  })

  test('any stretch of a view can be read alone', async () => {
    const values = Array.from({ length: 120 }, (_, i) => i)
    const views = [
      view('permuted', { elements: 120, shape: [4, 5, 6], strides: [1, 4, 20] }),
      view('expanded', { elements: 120, offset: 3, shape: [3, 4, 2], strides: [5, 0, 7] }),
      view('complex', { storageClass: 'ComplexFloatStorage', elements: 60, shape: [3, 4, 5], strides: [1, 3, 12] }),
    ]
    const source = sourceOf(torchFile(views, { 0: floats(...values) }))
    for (const tensor of (await readTensorFile('model', source)).tensors) {
      const reader = await openElements(tensor.name, tensor, source)
      const { item, count } = reader
      const whole = Buffer.from(await reader.read(0, count))
      for (let first = 0; first < count; first++) {
        for (const some of [1, 2, 7, count - first].filter(each => first + each <= count))
          expect(Buffer.from(await reader.read(first, some))).toEqual(whole.subarray(first * item, (first + some) * item))
      }
    }
  })

  test('big-endian storages are turned', async () => {
    const stored = floats(1, 2, 3, 4, 5, 6).swap32()
    const order = { name: 'model/byteorder', data: Buffer.from('big') }
    const bytes = torchFile([view('a', {}), view('t', { shape: [3, 2], strides: [1, 3] })], { 0: stored }, [order])
    expect(await elementsOf(bytes, 'a')).toEqual(floats(1, 2, 3, 4, 5, 6))
    expect(await elementsOf(bytes, 't')).toEqual(floats(1, 4, 2, 5, 3, 6))
  })

  test('a tensor that reaches over its storage, or has none, is damage', async () => {
    const outside = torchFile([view('a', { offset: 1 })], { 0: floats(1, 2, 3, 4, 5, 6) })
    expect((await refusal(outside)).message).toBe('model is damaged: a tensor lies outside of its storage')
    expect((await refusal(torchFile([view('a', { key: '7' })], { 0: floats(1) }))).message).toMatch(/storage 7 is missing/)
    const absurd = torchFile([view('a', { shape: [2 ** 31 - 1, 2 ** 31 - 1], strides: [0, 0] })], { 0: floats(1) })
    expect((await refusal(absurd)).message).toMatch(/absurd/)
  })

  test('an expansion that would not fit into memory is refused', async () => {
    const bytes = torchFile([view('a', { shape: [2 ** 20, 2 ** 10], strides: [0, 0] })], { 0: floats(1) })
    await expect(elementsOf(bytes, 'a')).rejects.toThrow(/4294967296 bytes are too many/)
  })

  test("a small file can't ask for much memory", async () => {
    const expanded = torchFile([view('a', { shape: [2 ** 12, 2 ** 13], strides: [0, 0] })], { 0: floats(1) })
    await expect(elementsOf(expanded, 'a')).rejects.toThrow(/134217728 bytes are too many/)
    const fortran = npyHeader("'<f8'", '(2, 4718592)').replace('False', 'True')
    const deflated = deflatedZip([{ name: 'a.npy', data: npy(fortran, Buffer.alloc(72 * 2 ** 20)) }])
    await expect(elementsOf(deflated, 'a')).rejects.toThrow(/are too many/)
  })

  test('members that share bytes, or are longer than what they unpack to, are damage', async () => {
    const data = npy(npyHeader("'<f8'", '(1000,)'), Buffer.alloc(8000))
    const shared = zip([
      { name: 'a.npy', data },
      { name: 'b.npy', data },
    ])
    const second = shared.lastIndexOf('PK\x01\x02', undefined, 'latin1')
    shared.writeUInt32LE(100, second + 42)
    expect((await refusal(shared)).message).toMatch(/two members share bytes/)
    const lying = deflatedZip([{ name: 'a.npy', data }])
    const record = lying.lastIndexOf('PK\x01\x02', undefined, 'latin1')
    const long = Buffer.concat([lying.subarray(0, record), Buffer.alloc(20_000), lying.subarray(record)])
    long.writeUInt32LE(10_000, record + 20_000 + 20)
    long.writeUInt32LE(record + 20_000, long.length - 6)
    await expect(elementsOf(long, 'a')).rejects.toThrow(/longer than what it unpacks to/)
  })

  test('names that come again get a number', async () => {
    const bytes = torchFile([view('a', {}), view('a', {}), view('a#2', {}), view('a', {})], { 0: floats(1, 2, 3, 4, 5, 6) })
    const names = (await filesOf(bytes)).tensors.map(({ name }) => name)
    expect(new Set(names).size).toBe(4)
    expect(names.slice(0, 2)).toEqual(['a', 'a#2'])
  })
})

describe('NumPy', () => {
  const array = npy(npyHeader("'<f4'", '(2, 3)'), floats(1, 2, 3, 4, 5, 6))
  const fortran = npy(npyHeader("'>f4'", '(2, 3)').replace('False', 'True'), floats(1, 2, 3, 4, 5, 6).swap32())

  test('an array, in the other order and with the other end first too', async () => {
    expect(await elementsOf(array, 'array')).toEqual(floats(1, 2, 3, 4, 5, 6))
    expect(await elementsOf(fortran, 'array')).toEqual(floats(1, 3, 5, 2, 4, 6))
    expect((await filesOf(fortran)).tensors[0]).toMatchObject({ dtype: 'F32', shape: [2, 3], count: 6 })
    expect((await filesOf(npy(npyHeader("'<U2'", '(2,)'), Buffer.alloc(16)))).tensors[0]).toMatchObject({ dtype: '<U2', bytes: 16 })
  })

  test('archives, deflated or not', async () => {
    const members = [
      { name: 'a.npy', data: array },
      { name: 'b/c.npy', data: fortran },
    ]
    for (const bytes of [zip(members), deflatedZip(members)]) {
      expect((await filesOf(bytes)).tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
        ['a', 'F32', [2, 3]],
        ['b/c', 'F32', [2, 3]],
      ])
      expect(await elementsOf(bytes, 'a')).toEqual(floats(1, 2, 3, 4, 5, 6))
      expect(await elementsOf(bytes, 'b/c')).toEqual(floats(1, 3, 5, 2, 4, 6))
    }
    expect((await filesOf(fixture('arrays.npz'))).tensors.length).toBeGreaterThan(1)
  })

  test('a header that does not say the order of the elements is damage, never guessed', async () => {
    for (const order of ["'fortran_krder': True", "'fortran_order': Tru%", "'fortran_order'8 True"]) {
      const header = npyHeader("'<f4'", '(2, 3)').replace("'fortran_order': False", order)
      expect((await refusal(npy(header, floats(1, 2, 3, 4, 5, 6)))).message).toMatch(/it has no order of elements/)
    }
  })

  test.each(['False', 'True'])('a deflated member with other bytes than its checksum says is damage (%s)', async order => {
    const members = [{ name: 'a.npy', data: npy(npyHeader("'<f4'", '(2, 3)').replace('False', order), floats(1, 2, 3, 4, 5, 6)) }]
    const bytes = deflatedZip(members)
    const record = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1')
    bytes[record + 16]! ^= 1
    await expect(elementsOf(bytes, 'a')).rejects.toThrow(/not what its checksum says/)
  })

  test('a deflated member of another length than it says is damage', async () => {
    const bytes = deflatedZip([{ name: 'a.npy', data: npy(npyHeader("'|u1'", '(90000,)'), seededText(1, 90_000)) }])
    const start = bytes.indexOf('PK\x01\x02', 0, 'latin1')
    bytes.fill(0xff, start - 3000, start - 1000)
    await expect(elementsOf(bytes, 'a')).rejects.toThrow(/deflated member is damaged|its stated length/)
  })
})

test('GGUF as its own library writes it, its shapes as NumPy and PyTorch tell them', async () => {
  const { tensors } = await filesOf(fixture('two.gguf'))
  expect(tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ['a', 'F32', [2, 3]],
    ['b', 'F16', [2, 3, 5]],
  ])
  expect(await elementsOf(fixture('two.gguf'), 'a')).toEqual(Buffer.from(Float32Array.of(0, 1, 2, 3, 4, 5).buffer))
})

test('GGUF, with the names of quantised types', async () => {
  const file = await filesOf(
    gguf([
      { name: 'plain', shape: [16, 16], type: 0, data: seededBytes(1024, 1) },
      { name: 'quantised', shape: [64], type: 2, data: seededBytes(36, 2) },
      { name: 'newer', shape: [32], type: 99, data: seededBytes(34, 4) },
    ]),
  )
  expect(file.tensors.map(({ dtype, count }) => [dtype, count])).toEqual([
    ['F32', 256],
    ['Q4_0', 64],
    ['ggml type 99', 32],
  ])
})

test.each<[what: string, name: string, bytes: Buffer, message: RegExp]>([
  ['nothing', 'empty', Buffer.alloc(0), /not a file with tensors/],
  ['a text', 'notes.txt', Buffer.from('hello, this is a text'), /not a file with tensors/],
  ['a checkpoint of PyTorch 0.1', 'old.pt', Buffer.from('sys_info\0\0\0\0\0\0\0\0\0', 'latin1'), /tar archive of PyTorch 0\.1/],
  ['HDF5 of another version', 'model.h5', Buffer.from('\x89HDF\r\n\x1a\n00000000', 'latin1'), /its version is 48/],
  ['a Keras archive', 'model.keras', zip([{ name: 'model.weights.h5', data: Buffer.alloc(9) }]), /zip archive without tensors/],
])('%s is told for what it is', async (_, name, bytes, message) => {
  const error = await refusal(bytes, name)
  expect(error.code).toBe('unsupported')
  expect(error.message).toMatch(message)
  expect(error.message.startsWith(name)).toBe(true)
  expect(error.hint).toBeTruthy()
})

test('whatever byte is damaged, a file is read or refused', async () => {
  for (const name of ['checkpoint.pt', 'module.pt', 'arrays.npz']) {
    const whole = fixture(name)
    for (let run = 0; run < 150; run++) {
      const bytes = Buffer.from(whole)
      const noise = Buffer.from(seededBytes(8, run + 1))
      // headers lie at the end of zip archives
      const at = run % 2 === 0 ? bytes.length - 1 - (noise.readUInt32LE() % 1500) : noise.readUInt32LE() % bytes.length
      bytes[at] = noise[4]!
      const cut = run % 5 === 0 ? bytes.subarray(0, noise.readUInt32LE(4) % bytes.length) : bytes
      const error: unknown = await filesOf(cut).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(error === undefined || isAppError(error, 'corrupt', 'unsupported'), String(error)).toBe(true)
    }
  }
})
