import { hash } from 'node:crypto'

/** Length of a SHA-256. */
export const HASH_BYTES = 32

/**
 * Converts through a string, so that the bytes are in the shared pool of small buffers. A digest with its own memory
 * takes more than twice as long and burdens the garbage collector more.
 */
export function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', bytes, 'binary'), 'binary')
}

export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** A file name for what a text names: its SHA-256, shortened to 32 hex digits. */
export function fileNameFor(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 32)
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

const HEX_64 = /^[0-9a-f]{64}$/

export function isHashHex(text: unknown): text is string {
  return typeof text === 'string' && HEX_64.test(text)
}
