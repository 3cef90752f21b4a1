/** ONNX models, byte by byte: messages of protocol buffers. */

export function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let left = BigInt.asUintN(64, BigInt(value))
  for (; left >= 128n; left >>= 7n) bytes.push(Number(left & 127n) | 128)
  return Buffer.from([...bytes, Number(left)])
}

/** A field with a number, or with bytes: a text, a message or packed numbers. */
export function field(number: number, value: number | bigint | string | Uint8Array): Buffer {
  if (typeof value === 'number' || typeof value === 'bigint') return Buffer.concat([varint(number * 8), varint(value)])
  const bytes = Buffer.from(value as Uint8Array)
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}

export const message = (...fields: Uint8Array[]): Buffer => Buffer.concat(fields)

/** `content` are fields with the elements. Its dimensions are not packed, as exporters write them. */
export function tensor(name: string, dataType: number, shape: readonly number[], ...content: Uint8Array[]): Buffer {
  return message(...shape.map(count => field(1, count)), field(2, dataType), ...content, field(8, name))
}

export const raw = (bytes: Uint8Array): Buffer => field(9, bytes)

/** A node with one output and an attribute, which is a message. */
export function node(output: string, name: string, ...value: Uint8Array[]): Buffer {
  return field(1, message(field(1, 'input'), field(2, output), field(4, 'Constant'), field(5, message(field(1, name), ...value))))
}

export const initializer = (bytes: Uint8Array): Buffer => field(5, bytes)

export function onnx(...graph: Uint8Array[]): Buffer {
  return message(field(1, 8), field(2, 'maker'), field(3, '1.0'), field(7, message(...graph)), field(8, field(2, 17)))
}
