import { refuse } from './span.ts'

/**
 * How a pickle notes bytes, or a text: as UTF-8; as a literal of Python 2, with quotes (opcode STRING); or a character
 * for each byte, some of them as `\u00e9` (opcode UNICODE).
 */
export type Notation = 'utf8' | 'literal' | 'escaped'

const BACKSLASH = 0x5c
const SIMPLE: Readonly<Record<string, number>> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
  '\\': BACKSLASH,
  "'": 0x27,
  '"': 0x22,
}

/** The bytes that a note stands for. In UTF-8 and escaped, each is a character below 256. Throws `corrupt`. */
export function bytesOf(noted: Uint8Array, notation: Notation): Buffer {
  if (notation === 'utf8') return fromUtf8(noted)
  return notation === 'literal' ? unquoted(noted) : unescaped(noted)
}

/** A line of opcode STRING or UNICODE as a text. */
export function textOf(line: Uint8Array, notation: Notation): string {
  if (notation === 'literal') return unquoted(line).toString('utf8')
  const text = Buffer.from(line).toString(notation === 'escaped' ? 'latin1' : 'utf8')
  if (notation === 'utf8') return text
  return text.replace(/\\u([0-9a-f]{4})|\\U00([01][0-9a-f]{5})/gi, (escape, short: string | undefined, long: string | undefined) => {
    const code = parseInt(short ?? long!, 16)
    return code > 0x10ffff ? escape : String.fromCodePoint(code)
  })
}

function fromUtf8(noted: Uint8Array): Buffer {
  const plain = Buffer.allocUnsafe(noted.length)
  let to = 0
  for (let at = 0; at < noted.length; to++) {
    const byte = noted[at++]!
    if (byte < 0x80) plain[to] = byte
    else if (byte === 0xc2 || byte === 0xc3) plain[to] = ((byte & 3) << 6) | (noted[at++]! & 0x3f)
    else refuse('a text stands for bytes and has other characters')
  }
  return plain.subarray(0, to)
}

function unquoted(noted: Uint8Array): Buffer {
  const quote = noted[0]
  if (noted.length < 2 || (quote !== 0x27 && quote !== 0x22) || noted.at(-1) !== quote) refuse('a text has no quotes')
  const plain = Buffer.allocUnsafe(noted.length)
  let to = 0
  for (let at = 1; at < noted.length - 1; to++) {
    const byte = noted[at++]!
    plain[to] = byte
    if (byte !== BACKSLASH) continue
    const kind = String.fromCharCode(noted[at++]!)
    if (kind === 'x') {
      plain[to] = hexAt(noted, at, 2)
      at += 2
    } else plain[to] = SIMPLE[kind] ?? refuse('a text has an unknown escape')
  }
  return plain.subarray(0, to)
}

function unescaped(noted: Uint8Array): Buffer {
  const plain = Buffer.allocUnsafe(noted.length)
  let to = 0
  for (let at = 0; at < noted.length; to++) {
    const byte = noted[at++]!
    plain[to] = byte
    if (byte !== BACKSLASH || noted[at] !== 0x75) continue
    plain[to] = hexAt(noted, at + 1, 4)
    at += 5
  }
  return plain.subarray(0, to)
}

/** A number below 256. */
function hexAt(noted: Uint8Array, at: number, digits: number): number {
  const text = Buffer.from(noted.subarray(at, at + digits)).toString('latin1')
  const value = /^[0-9a-f]+$/i.test(text) && text.length === digits ? parseInt(text, 16) : 256
  return value < 256 ? value : refuse('a text stands for bytes and has other characters')
}
