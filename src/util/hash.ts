import { createHash } from 'node:crypto'

export const HASH_BYTES = 32

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

const HEX_64 = /^[0-9a-f]{64}$/

export function isHashHex(text: unknown): text is string {
  return typeof text === 'string' && HEX_64.test(text)
}
