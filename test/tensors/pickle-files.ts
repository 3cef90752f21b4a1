import { u32 } from '../chunking/layouts/writers.ts'

/** Opcodes as text, one byte a character. */
const op = (text: string): Buffer => Buffer.from(text, 'latin1')
const text = (value: string): Buffer => Buffer.concat([op('X'), u32(Buffer.byteLength(value)), Buffer.from(value)])
const int = (value: number): Buffer => Buffer.concat([op('J'), u32(value >>> 0)])
const tuple = (values: readonly number[]): Buffer => Buffer.concat([op('('), ...values.map(int), op('t')])

export interface Noted {
  /** Such as `<f4`. */
  type: string
  shape: readonly number[]
  fortran?: boolean
  data: Uint8Array
}

/** A type as NumPy pickles it. */
export function dtype(type: string, flags = 0): Buffer {
  return Buffer.concat([
    op('cnumpy\ndtype\n'),
    text(type.slice(1)),
    op('\x89\x88\x87R(K\x03'),
    text(type.slice(0, 1)),
    op('NNN'),
    int(-1),
    int(-1),
    int(flags),
    op('tb'),
  ])
}

export const bytes = (data: Uint8Array): Buffer => Buffer.concat([op('B'), u32(data.length), data])

/** An array as `ndarray.__reduce__` notes it. */
export function array({ type, shape, fortran = false, data }: Noted, elements = bytes(data)): Buffer {
  const state = Buffer.concat([op('(K\x01'), tuple(shape), dtype(type), op(fortran ? '\x88' : '\x89'), elements, op('tb')])
  return Buffer.concat([op('cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R'), state])
}

/** The elements as protocol 2 has them: a text with a character for each byte. */
export function latin1(data: Uint8Array): Buffer {
  return Buffer.concat([op('c_codecs\nencode\n'), text(Buffer.from(data).toString('latin1')), text('latin1'), op('\x86R')])
}

/** The elements as Python 2 wrote them. */
export function oldText(data: Uint8Array): Buffer {
  return data.length < 256 ? Buffer.concat([op('U'), Buffer.from([data.length]), data]) : Buffer.concat([op('T'), u32(data.length), data])
}

/** An array as protocol 5 notes it: elements, type, shape and order, with the axes behind it if the order is K. */
export function fromBuffer({ type, shape, data }: Noted, order: string, axes?: readonly number[]): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(data.length))
  return Buffer.concat([
    op('cnumpy._core.numeric\n_frombuffer\n(\x96'),
    length,
    data,
    dtype(type),
    tuple(shape),
    text(order),
    ...(axes === undefined ? [] : [tuple(axes)]),
    op('tR'),
  ])
}

/** What joblib writes before the elements of an array. */
export function wrapper({ type, shape, fortran = false }: Noted, isAligned: boolean, flags = 0): Buffer {
  const items = [
    [text('shape'), tuple(shape)],
    [text('order'), text(fortran ? 'F' : 'C')],
    [text('dtype'), dtype(type, flags)],
    ...(isAligned ? [[text('numpy_array_alignment_bytes'), int(16)]] : []),
  ]
  return Buffer.concat([op('cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}('), ...items.flat(), op('ub')])
}

/** A pickle of a dict with these values. One that is aligned is told where it begins. */
export function pickleOf(items: Record<string, Buffer | ((at: number) => Buffer)>): Buffer {
  let file = op('\x80\x04}(')
  for (const [key, value] of Object.entries(items)) {
    file = Buffer.concat([file, text(key)])
    file = Buffer.concat([file, typeof value === 'function' ? value(file.length) : value])
  }
  return Buffer.concat([file, op('u.')])
}

/** An array as joblib has it: its elements follow, since 1.2 aligned to 16 bytes. */
export function joblib(noted: Noted, isAligned = true): (at: number) => Buffer {
  return at => {
    const before = wrapper(noted, isAligned)
    const padding = 16 - ((at + before.length + 1) % 16)
    return Buffer.concat([before, ...(isAligned ? [Buffer.from([padding]), Buffer.alloc(padding, 0xff)] : []), noted.data])
  }
}

export { op, text }
