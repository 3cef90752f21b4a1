/** Gives numbers from 0 to 1, as Math.random does. */
export type Random = () => number

export const below = (random: Random, count: number): number => Math.floor(random() * count)
export const oneOf = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)]!

const NUMBERS = [0, 1, 2, 7, 8, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 1023, 1024, 4095, 4096, 16_383, 16_384, 32_767, 32_768]
  .concat([65_535, 65_536, 65_537, 262_144, 2 ** 22, 2 ** 22 + 1, 2 ** 22 + 64, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])
  .concat([2 ** 32, 2 ** 40, 2 ** 52, 2 ** 53 - 1])
const WORDS = [
  '__proto__',
  'constructor',
  '..',
  '../',
  './',
  '/',
  '\\',
  '\0',
  '\n',
  '\r\n',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '-',
  '%',
  '*',
].concat(['null', 'true', '-1', '0', '1e999', '1.5', '9007199254740993', '\ud800', '\u202e', '\ufffd', '\u00e9', '\u{1f600}'])

/** Pieces that are put into inputs. */
export class Dictionary {
  private readonly pieces: readonly Uint8Array[]

  constructor(literals: readonly (string | number)[]) {
    const found = new Map<string, Uint8Array>()
    const add = (bytes: Uint8Array): void => void (bytes.length > 0 && found.set(Buffer.from(bytes).toString('latin1'), bytes))
    for (const literal of [...literals, ...WORDS]) {
      if (typeof literal === 'string' && literal.length <= 32) {
        add(Buffer.from(literal, 'utf8'))
        add(Buffer.from(literal, 'latin1'))
      } else if (typeof literal === 'number' && Number.isSafeInteger(literal) && literal > 255)
        for (const bytes of encodings(literal)) add(bytes)
    }
    this.pieces = [...found.values()]
  }

  piece(random: Random): Uint8Array {
    return random() < 0.3 ? oneOf(random, encodings(oneOf(random, NUMBERS))) : oneOf(random, this.pieces)
  }
}

/** A number as formats write it. */
function encodings(number: number): Uint8Array[] {
  const big = BigInt(number)
  const all = [varint(number), Buffer.from(String(number)), Buffer.from(number.toString(8))]
  for (const bytes of [1, 2, 4, 8]) {
    const little = Buffer.from(Array.from({ length: bytes }, (_, i) => Number((big >> BigInt(8 * i)) & 255n)))
    all.push(little, Buffer.from(little).reverse())
  }
  return all
}

function varint(number: number): Buffer {
  const bytes: number[] = []
  for (; number >= 128; number = Math.floor(number / 128)) bytes.push((number % 128) | 128)
  return Buffer.from([...bytes, number])
}

/** One to a few random changes. `other` is another input, whose parts may be taken over. */
export function mutate(input: Uint8Array, other: Uint8Array, dictionary: Dictionary, random: Random, maxBytes: number): Uint8Array {
  let bytes: Uint8Array = Buffer.from(input)
  let changes = 1
  while (changes < 12 && random() < 0.55) changes++
  for (; changes > 0; changes--) bytes = oneOf(random, CHANGES)(bytes, other, dictionary, random)
  return bytes.subarray(0, maxBytes)
}

type Change = (bytes: Uint8Array, other: Uint8Array, dictionary: Dictionary, random: Random) => Uint8Array

/** A place and a length within `bytes`; mostly short. */
function range(bytes: Uint8Array, random: Random): [start: number, end: number] {
  const start = below(random, bytes.length + 1)
  const most = random() < 0.7 ? 8 : bytes.length
  return [start, Math.min(bytes.length, start + 1 + below(random, most))]
}

const splice = (bytes: Uint8Array, start: number, end: number, middle: Uint8Array): Uint8Array =>
  Buffer.concat([bytes.subarray(0, start), middle, bytes.subarray(end)])

const overwritten = (bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array =>
  splice(bytes, at, Math.min(bytes.length, at + piece.length), piece)

const changeByte =
  (change: (byte: number, random: Random) => number): Change =>
  (bytes, _, __, random) => {
    if (bytes.length > 0) {
      const at = below(random, bytes.length)
      bytes[at] = change(bytes[at]!, random)
    }
    return bytes
  }

const changeNumber: Change = (bytes, _, __, random) => {
  const width = oneOf(random, [2, 4, 8])
  if (bytes.length < width) return bytes
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = below(random, bytes.length - width + 1)
  const by = below(random, 70) - 35
  for (let i = 0, carry = by; i < width && carry !== 0; i++) {
    const sum = view[at + i]! + carry
    view[at + i] = sum & 255
    carry = sum >> 8
  }
  return bytes
}

const changeText: Change = (bytes, _, __, random) => {
  const text = Buffer.from(bytes).toString('latin1')
  const numbers = [...text.matchAll(/-?\d+/g)]
  if (numbers.length === 0) return bytes
  const { 0: digits, index } = oneOf(random, numbers)
  const value = random() < 0.5 ? oneOf(random, NUMBERS) : Number(digits) + below(random, 5) - 2
  return splice(bytes, index, index + digits.length, Buffer.from(String(value)))
}

const CHANGES: readonly Change[] = [
  changeByte((byte, random) => byte ^ (1 << below(random, 8))),
  changeByte((_, random) => below(random, 256)),
  changeByte((byte, random) => byte + below(random, 9) - 4),
  changeNumber,
  changeText,
  (bytes, _, __, random) => splice(bytes, ...range(bytes, random), new Uint8Array(0)),
  (bytes, _, __, random) => {
    const [start, end] = range(bytes, random)
    const times = random() < 0.9 ? 1 : below(random, 64)
    return splice(bytes, start, start, Buffer.concat(Array.from({ length: times }, () => bytes.subarray(start, end))))
  },
  (bytes, _, __, random) => {
    const at = below(random, bytes.length + 1)
    return splice(bytes, at, at, Buffer.from(Array.from({ length: 1 + below(random, 8) }, () => below(random, 256))))
  },
  (bytes, _, dictionary, random) => {
    const at = below(random, bytes.length + 1)
    return splice(bytes, at, at, dictionary.piece(random))
  },
  (bytes, _, dictionary, random) => overwritten(bytes, below(random, bytes.length + 1), dictionary.piece(random)),
  (bytes, other, _, random) => {
    const at = below(random, bytes.length + 1)
    return splice(bytes, at, random() < 0.5 ? at : range(bytes, random)[1], other.subarray(...range(other, random)))
  },
  (bytes, other, _, random) => overwritten(bytes, below(random, bytes.length + 1), other.subarray(...range(other, random))),
  (bytes, other, _, random) =>
    splice(bytes, below(random, bytes.length + 1), bytes.length, other.subarray(below(random, other.length + 1))),
  (bytes, _, __, random) => bytes.subarray(0, below(random, bytes.length + 1)),
]
