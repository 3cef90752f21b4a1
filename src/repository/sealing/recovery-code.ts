import { createHash } from 'node:crypto'
import { fromBase32, toBase32 } from './base32.ts'

/** Random bytes of a recovery code. */
export const RECOVERY_BYTES = 20
const CHECK_BYTES = 5
const GROUP = 5

const checkOf = (secret: Uint8Array): Buffer =>
  createHash('sha256').update('colab-escape 1 recovery code').update(secret).digest().subarray(0, CHECK_BYTES)

/** A secret as people print and type it: `ABCDE-FGHIJ-...`, 40 letters and digits; the last 8 are a checksum. */
export function formatRecoveryCode(secret: Uint8Array): string {
  const text = toBase32(Buffer.concat([secret, checkOf(secret)])).toUpperCase()
  return text.match(new RegExp(`.{${GROUP}}`, 'g'))!.join('-')
}

/** Undefined for a text that is no recovery code, or one with a mistake. Case, spaces and dashes do not count. */
export function parseRecoveryCode(text: string): Buffer | undefined {
  // the digits 0, 1 and 8 are in no code: they are what people read for O, I or L, and B
  const plain = text.toLowerCase().replace(/[\s-]/g, '').replace(/0/g, 'o').replace(/1/g, 'i').replace(/8/g, 'b')
  const bytes = fromBase32(plain)
  if (bytes?.length !== RECOVERY_BYTES + CHECK_BYTES) return undefined
  const secret = bytes.subarray(0, RECOVERY_BYTES)
  return checkOf(secret).equals(bytes.subarray(RECOVERY_BYTES)) ? secret : undefined
}
