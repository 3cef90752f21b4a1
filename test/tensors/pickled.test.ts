import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { array, bytes, dtype, fromBuffer, joblib, latin1, type Noted, oldText, op, pickleOf, text, wrapper } from './pickle-files.ts'
import { elementsOf, filesOf, sourceOf } from './tensor-files.ts'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'

const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
const SIX = floats(1, 2, 3, 4, 5, 6)
const TRANSPOSED = floats(1, 4, 2, 5, 3, 6)
const noted = (more: Partial<Noted> = {}): Noted => ({ type: '<f4', shape: [2, 3], data: SIX, ...more })
const large = (seed: number): Noted => ({ type: '|u1', shape: [200_000], data: seededBytes(200_000, seed) })
/** An object with these attributes. */
const object = (name: string, attributes: Buffer): Buffer => Buffer.concat([op(`csklearn\n${name}\n)\x81}`), attributes, op('b')])

async function told(bytes: Buffer): Promise<Record<string, string>> {
  const { format, tensors } = await filesOf(bytes)
  expect(format).toBe('pickle')
  const tell = async ({ name, unread, dtype, shape }: (typeof tensors)[0]) =>
    [name, unread ?? `${dtype} [${shape.join(' ')}] ${(await elementsOf(bytes, name)).toString('hex')}`] as const
  return Object.fromEntries(await Promise.all(tensors.map(tell)))
}

const expected = (elements = SIX): string => `F32 [2 3] ${elements.toString('hex')}`

describe('arrays of NumPy in a pickle', () => {
  test('as each protocol notes them, in either order of bytes and of dimensions', async () => {
    const big = Buffer.from(SIX).swap32()
    const file = pickleOf({
      bytes: array(noted()),
      'three texts': Buffer.concat([
        op(']('),
        array(noted(), latin1(SIX)),
        array(noted(), oldText(SIX)),
        array(noted(), text('abcdefghijklmnopqrstuvwx')),
        op('e'),
      ]),
      fortran: array(noted({ fortran: true, data: TRANSPOSED })),
      big: array(noted({ type: '>f4', data: big })),
      buffer: fromBuffer(noted(), 'C'),
      columns: fromBuffer(noted({ data: TRANSPOSED }), 'F'),
      axes: fromBuffer(noted({ shape: [3, 2], data: TRANSPOSED }), 'K', [1, 0]),
    })
    expect(await told(file)).toEqual({
      bytes: expected(),
      'three texts.0': expected(),
      'three texts.1': expected(),
      'three texts.2': expected(Buffer.from('abcdefghijklmnopqrstuvwx')),
      fortran: expected(),
      big: expected(),
      buffer: expected(),
      columns: expected(),
      axes: expected(),
    })
  })

  test('are named by keys, numbers and attributes; what occurs twice is told', async () => {
    const layers = Buffer.concat([text('coefs_'), op(']'), array(noted()), op('q\x07ah\x07as')])
    const { tensors } = await filesOf(pickleOf({ model: object('MLP', layers), again: op('h\x07') }))
    expect(tensors.map(({ name, sharedWith }) => [name, sharedWith])).toEqual([
      ['model.coefs_.0', undefined],
      ['model.coefs_.1', 'model.coefs_.0'],
      ['again', 'model.coefs_.0'],
    ])
    const one = Buffer.concat([op('\x80\x02'), array(noted()), op('.')])
    expect(Object.keys(await told(one))).toEqual(['array'])
    expect(Object.keys(await told(Buffer.concat([one, pickleOf({ w: array(noted()) })])))).toEqual(['0', '1.w'])
  })

  test('what is not understood is listed with the reason, and so is what else is there', async () => {
    const objects = Buffer.concat([op(']'), array(noted()), op('aNa')])
    const file = pickleOf({
      objects: array({ type: '|O8', shape: [2], data: SIX }, objects),
      masked: op('cnumpy.ma.core\n_mareconstruct\n)R'),
      strange: array(noted({ type: '<f' })),
      torch: op('ctorch._utils\n_rebuild_tensor_v2\n)R'),
      w: array(noted()),
    })
    expect(await told(file)).toEqual({
      objects: 'its elements are Python objects',
      'objects.0': expected(),
      masked: 'it has no shape',
      strange: 'its element type is not known',
      torch: 'it is a tensor of PyTorch: save it with torch.save',
      w: expected(),
    })
  })

  test('cut short, or with a length that is not true, it is damaged; without arrays it is only of another kind', async () => {
    const file = pickleOf({ w: array(noted()), l: array(large(1)) })
    for (const end of [file.length - 1, file.length - 1000, 60, 20])
      expect((await rejection(filesOf(file.subarray(0, end)))).code, `${end}`).toBe('corrupt')
    expect((await rejection(filesOf(pickleOf({ w: array(noted({ shape: [7] })) })))).message).toMatch(/a shape and a length disagree/)
    const other = await rejection(filesOf(pickleOf({ w: text('x') }), 'vocab.pkl'))
    expect([other.code, other.message]).toEqual(['unsupported', 'vocab.pkl is a pickle of Python without arrays of NumPy.'])
    // a million numbers are no damage
    const many = await rejection(filesOf(pickleOf({ w: op(`](${'K\x01'.repeat(1_100_000)}e`) })))
    expect(many.code).toBe('unsupported')
  })
})

describe('protocols 0 and 1', () => {
  /** As Python 3 writes an array in protocol 0; `data` is its elements. */
  const lines = (data: string): Buffer =>
    op(
      '(dp0\nVw\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nc_codecs\nencode\np5\n(Vb\np6\nVlatin1\np7\ntp8\nRp9\n' +
        'tp10\nRp11\n(I1\n(I2\nI3\ntp12\ncnumpy\ndtype\np13\n(Vf4\np14\nI00\nI01\ntp15\nRp16\n(I3\nV<\np17\nNNNI-1\nI-1\nI0\ntp18\nbI00\n' +
        `${data}tp22\nbsVl\np23\nL12345678901234567890L\nsVf\nF2.5\ns.`,
    )
  const escaped = [...SIX]
    .map(byte => (byte === 0 || byte === 0x5c ? `\\u00${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte)))
    .join('')
  const literal = [...SIX].map(byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')

  test.each([
    ['of Python 3', `g5\n(V${escaped}\np19\ng7\ntp20\nRp21\n`],
    ['of Python 2', `S'${literal}'\np19\n`],
    ['with bytes in double quotes', `S"${literal.replaceAll('\\x80', '\x80').replaceAll('\\x41', 'A')}"\np19\n`],
  ])('%s', async (_what, data) => {
    expect(await told(lines(data))).toEqual({ w: expected() })
  })

  test('long texts lie in the file as they are noted', async () => {
    const elements = Buffer.concat(Array.from({ length: 9000 }, () => SIX))
    const note = [...elements].map(byte => (byte === 0 ? '\\u0000' : String.fromCharCode(byte))).join('')
    const file = lines(`g5\n(V${note}\np19\ng7\ntp20\nRp21\n`)
    const tall = Buffer.from(file.toString('latin1').replace('(I2\nI3\n', '(I18000\nI3\n'), 'latin1')
    expect((await elementsOf(tall, 'w')).equals(elements)).toBe(true)
  })

  test.each(["S'\\q'", "S'abc", "S'\\xzz'"])('a damaged note: %s', async note => {
    expect((await rejection(filesOf(lines(`${note}\np19\n`), 'a.pkl'))).code).toBe('corrupt')
  })

  test('a note of elements with other characters', async () => {
    expect((await rejection(told(lines('g5\n(VA\\u0100\np19\ng7\ntp20\nRp21\n')))).code).toBe('corrupt')
  })

  test('a file that only begins like one is of another kind', async () => {
    for (const start of ['(lp0\nno', ']q\0and so on', 'cnumpy.pyx\n#'])
      expect((await rejection(filesOf(op(start), 'notes.txt'))).code).toBe('unsupported')
    expect((await rejection(filesOf(op('(dp0\nVw'), 'a.pkl'))).code).toBe('corrupt')
  })
})

test('a masked array and its mask', async () => {
  const state = Buffer.concat([
    op('(K\x01K\x02K\x03\x86'),
    dtype('<f4'),
    op('\x89'),
    bytes(SIX),
    bytes(Buffer.from([1, 0, 0, 1, 0, 1])),
    op('Ntb'),
  ])
  const file = pickleOf({ m: Buffer.concat([op('cnumpy.ma.core\n_mareconstruct\n)R'), state]) })
  expect(await told(file)).toEqual({ m: expected(), 'm.mask': 'BOOL [2 3] 010000010001' })
})

test.each([
  ['zlib', deflateSync],
  ['gzip', gzipSync],
])('compressed as joblib does: %s', async (kind, compress) => {
  const file = pickleOf({
    a: joblib(noted()),
    big: joblib(noted({ type: '>f4', data: Buffer.from(SIX).swap32() })),
    t: array(noted({ fortran: true, data: TRANSPOSED })),
  })
  const packed = compress(file)
  expect(await told(packed)).toEqual({ a: expected(), big: expected(), t: expected() })
  const cut = await rejection(filesOf(compress(Buffer.concat([file, seededBytes(1 << 20, 1)])).subarray(0, 600_000), 'x.joblib'))
  expect([cut.code, cut.message]).toEqual(['corrupt', expect.stringMatching(/^x\.joblib is damaged: its compressed/)])
  const other = await rejection(filesOf(Buffer.concat([packed.subarray(0, 4), Buffer.from('no more of it')])))
  expect([other.code, other.message.includes(kind)]).toEqual(['unsupported', true])
})

test('a compressed file that unpacks to very much is refused', async () => {
  const bomb = gzipSync(Buffer.alloc(72 << 20))
  expect((await rejection(filesOf(bomb))).message).toMatch(/unpacks to more than/)
})

describe('a file of joblib', () => {
  test('holds the elements right behind what describes them, with padding or without', async () => {
    const file = pickleOf({
      a: joblib(noted()),
      old: joblib(noted({ fortran: true, data: TRANSPOSED }), false),
      big: joblib(noted({ type: '>f4', data: Buffer.from(SIX).swap32() })),
      scalar: joblib({ type: '<i2', shape: [], data: Buffer.from([1, 2]) }),
      none: joblib(noted({ shape: [0, 3], data: Buffer.alloc(0) })),
      plain: array(noted()),
    })
    expect(await told(file)).toEqual({
      a: expected(),
      old: expected(),
      big: expected(),
      scalar: 'I16 [] 0102',
      none: 'F32 [0 3] ',
      plain: expected(),
    })
  })

  test('objects are a pickle within it, whose arrays are named after it', async () => {
    const inner = Buffer.concat([
      op('\x80\x05'),
      array({ type: '|O8', shape: [1], data: SIX }, Buffer.concat([op(']'), array(noted()), op('a')])),
      op('.'),
    ])
    const objects = Buffer.concat([wrapper({ type: '|O8', shape: [1], data: SIX }, true, 63), inner])
    expect(await told(pickleOf({ trees: objects, w: joblib(noted()) }))).toEqual({
      trees: 'its elements are Python objects',
      'trees.0': expected(),
      w: expected(),
    })
  })

  test('elements are passed over, not read', async () => {
    const source = sourceOf(pickleOf(Object.fromEntries([1, 2, 3, 4].map(seed => [`l${seed}`, joblib(large(seed))]))))
    expect((await readTensorFile('model.joblib', source)).tensors).toHaveLength(4)
    expect(source.asked.reduce((sum, [, length]) => sum + length, 0)).toBeLessThan(400_000)
    const second = await elementsOf(pickleOf({ a: joblib(large(1)), b: joblib(large(2)) }), 'b')
    expect(second.equals(large(2).data)).toBe(true)
  })

  test('an unknown type has an unknown length: no array of the file can be told', async () => {
    const error = await rejection(filesOf(pickleOf({ a: joblib(noted({ type: '<f' })) }), 'm.joblib'))
    expect([error.code, error.message]).toEqual([
      'unsupported',
      "m.joblib is a pickle of Python that can't be read: an array of unknown type.",
    ])
  })
})

describe('a push cuts a pickle around its arrays', () => {
  const cut = async (file: Buffer) => {
    const source = sourceOf(file)
    const spans = (await findTensors(source.size, source.read)) ?? []
    const read = source.asked.reduce((sum, [, length]) => sum + length, 0)
    return { read, spans: spans.map(({ name, offset, length, dtype, kind }) => [name, offset, length, dtype, kind]) }
  }
  const at = (file: Buffer, data: Uint8Array): number => file.indexOf(data)

  test('in the order of the file, each once, as they are stored', async () => {
    const [a, b, c] = [1, 2, 3].map(seed => seededBytes(80_000, seed)) as [Uint8Array, Uint8Array, Uint8Array]
    const wide = { type: '<f8', shape: [100, 100] }
    const file = pickleOf({
      first: array({ ...wide, data: a }),
      list: Buffer.concat([op(']'), array({ ...wide, fortran: true, data: b }), op('q\x07ah\x07a')]),
      text: array({ ...wide, data: a }, latin1(a)),
      big: array({ type: '>f8', shape: [10_000], data: c }),
      small: array(noted()),
    })
    expect((await cut(file)).spans).toEqual([
      ['first', at(file, a), 80_000, 'F64', 'float'],
      ['list.0', at(file, b), 80_000, 'F64', 'float'],
      ['big', at(file, c), 80_000, undefined, 'unknown'],
      ['small', at(file, SIX), 24, 'F32', 'float'],
    ])
  })

  test('and a file of joblib; what lies in arrays is not read', async () => {
    const arrays = Array.from({ length: 40 }, (_, i) => large(i))
    const file = pickleOf(Object.fromEntries(arrays.map((each, i) => [`a${i}`, joblib(each)])))
    const { spans, read } = await cut(file)
    expect(spans.map(([, offset, length]) => [offset, length])).toEqual(arrays.map(({ data }) => [at(file, data), 200_000]))
    expect(read).toBeLessThan(file.length / 10)
  })

  test('but none that holds very much beside them, which is cut by its content', async () => {
    const numbers = (count: number): Buffer => Buffer.concat([op(']('), Buffer.alloc(count, 'N'), op('e')])
    const file = (count: number): Buffer => pickleOf({ w: array(large(1)), list: numbers(count) })
    expect((await cut(file(50_000))).spans).toHaveLength(1)
    expect((await cut(file(70_000))).spans).toEqual([])
    expect((await filesOf(file(70_000))).tensors).toHaveLength(1)
    const texts = Buffer.concat(Array.from({ length: 5000 }, (_, i) => Buffer.concat([text(`${i}`.padEnd(1000)), op('0')])))
    expect((await cut(Buffer.concat([op('\x80\x02'), texts, array(large(1)), op('.')]))).spans).toEqual([])
    expect((await cut(file(100).subarray(0, -1))).spans).toEqual([])
  })
})

/** A dict with `w`, as Python's pickle and bz2 write it. */
const IN_BZIP2 = Buffer.from(
  '425a6839314159265359e73120a600003efff4fe84024000410404c8191000bf67dea243e40e00402040000000a000940d246a364348f5' +
    '0c83269a0341b4d434f24226480134f44f404623132327a1321a7d1e2208784c46dc1240221a924884e40a3875132ff015db0b10dbbc0b' +
    'f1f771d61c435268832039536dac07085d8dbac885f325b11239b7ac6c15342865b9825bd6de3468a6695481ae894ca1e678ca091d5ae1' +
    '3984e622f6307fc78cc1fde4c1e815879ba25dab13600b11fc5dc914e142439cc48298',
  'hex',
)

test('a pickle in bzip2, as joblib compresses too, is read; what is damaged is told', async () => {
  expect(await told(IN_BZIP2)).toEqual({ w: expected() })
  expect(await told(Buffer.concat([IN_BZIP2, Buffer.from('425a683917724538509000000000', 'hex')]))).toEqual({ w: expected() })
  expect((await rejection(filesOf(IN_BZIP2.subarray(0, -4)))).code).toBe('corrupt')
  const changed = Buffer.from(IN_BZIP2)
  changed[60]! ^= 4
  expect((await rejection(filesOf(changed))).code).toMatch(/corrupt|unsupported/)
  // a text that only begins like it
  expect((await rejection(filesOf(Buffer.from('BZh9 is a text.'.repeat(9))))).code).toBe('unsupported')
})
