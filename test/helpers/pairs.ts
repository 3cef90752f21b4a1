import * as zlib from 'node:zlib'

/** Codec 3 as programs before codec 6 wrote it; undefined if there are more than 16 different bytes. */
export function deflatePairs(plain: Uint8Array): Uint8Array | undefined {
  const symbols = [...new Set(plain)]
  if (symbols.length > 16) return undefined
  const pairs = Uint8Array.from({ length: Math.ceil(plain.length / 2) }, (_, i) => {
    const [low, high] = [plain[2 * i]!, plain[2 * i + 1] ?? symbols[0]!]
    return symbols.indexOf(low) | (symbols.indexOf(high) << 4)
  })
  return Buffer.concat([Uint8Array.of(symbols.length, ...symbols), zlib.deflateRawSync(pairs, { strategy: zlib.constants.Z_HUFFMAN_ONLY })])
}
