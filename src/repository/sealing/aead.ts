import { createCipheriv, createDecipheriv } from 'node:crypto'

/** Bytes that a sealed text has more than the plain one. */
export const TAG_BYTES = 16
/** For a key that seals one text only. */
const NO_IV = new Uint8Array(12)

interface Bound {
  /** 12 bytes. Never twice with one key. */
  iv?: Uint8Array
  /** What the text is bound to. */
  to?: Uint8Array
}

const NOTHING = new Uint8Array(0)

/** AES-256-GCM (NIST SP 800-38D): the encrypted bytes, then the tag. */
export function seal(key: Uint8Array, plain: Uint8Array, { iv = NO_IV, to = NOTHING }: Bound = {}): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(to)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Undefined if the bytes are not what `seal` made with the same key, iv and binding. */
export function open(key: Uint8Array, sealed: Uint8Array, { iv = NO_IV, to = NOTHING }: Bound = {}): Buffer | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(to)
  decipher.setAuthTag(sealed.subarray(end))
  const plain = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return plain
}
