const DIGITS = 'abcdefghijklmnopqrstuvwxyz234567'

/** Base32 (RFC 4648) in lower case, without padding. */
export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let [bits, count] = [0, 0]
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff
    for (count += 8; count >= 5; count -= 5) text += DIGITS[(bits >> (count - 5)) & 31]!
  }
  return count > 0 ? text + DIGITS[(bits << (5 - count)) & 31]! : text
}

/** Undefined for a text that `toBase32` never makes. */
export function fromBase32(text: string): Buffer | undefined {
  const bytes = Buffer.alloc((text.length * 5) >> 3)
  let [bits, count, at] = [0, 0, 0]
  for (const character of text) {
    const digit = DIGITS.indexOf(character)
    if (digit === -1) return undefined
    bits = ((bits << 5) | digit) & 0xfff
    count += 5
    if (count >= 8) bytes[at++] = (bits >> (count -= 8)) & 255
  }
  return toBase32(bytes) === text ? bytes : undefined
}
