/** Code pages of names in zips from DOS and Windows, besides 437. They are named as in WHATWG's Encoding. */
export type CodePage = 'shift_jis' | 'gbk' | 'big5' | 'euc-kr' | 'ibm866'

const CP437_HIGH =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0'

export function decodeCp437(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[\x80-\xff]/g, char => CP437_HIGH[char.charCodeAt(0) - 0x80]!)
}

/** Undefined if the bytes are not valid in the code page, or this Node does not know it. */
export function decodeWith(page: CodePage, bytes: Buffer): string | undefined {
  try {
    return new TextDecoder(page, { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
