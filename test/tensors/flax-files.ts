/** Files of flax, byte by byte: maps in MessagePack with arrays as extensions. */

const u = (value: number, width: number): Buffer => {
  const bytes = Buffer.alloc(width)
  bytes.writeUIntBE(value, 0, width)
  return bytes
}

export const text = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([bytes.length < 32 ? u(0xa0 + bytes.length, 1) : Buffer.concat([u(0xd9, 1), u(bytes.length, 1)]), bytes])
}

export const map = (items: Record<string, Uint8Array>): Buffer => {
  const entries = Object.entries(items)
  const head = entries.length < 16 ? u(0x80 + entries.length, 1) : Buffer.concat([u(0xde, 1), u(entries.length, 2)])
  return Buffer.concat([head, ...entries.flatMap(([key, value]) => [text(key), value])])
}

export const whole = (value: number): Buffer => (value < 128 ? u(value, 1) : Buffer.concat([u(0xcd, 1), u(value, 2)]))

/** An array as `flax.serialization` packs it; `type` is the name in NumPy. */
export function array(type: string, shape: readonly number[], data: Uint8Array): Buffer {
  const elements = Buffer.concat([u(0xc6, 1), u(data.length, 4), data])
  const tuple = Buffer.concat([u(0x93, 1), u(0x90 + shape.length, 1), ...shape.map(whole), text(type), elements])
  return Buffer.concat([u(0xc9, 1), u(tuple.length, 4), u(1, 1), tuple])
}
