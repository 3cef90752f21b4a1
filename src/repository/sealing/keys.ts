import { createHmac, hkdfSync } from 'node:crypto'
import { toHex } from '../../util/hash.ts'

/** Bytes of a master key, and of each key that is derived from it. */
export const KEY_BYTES = 32
/** Bytes of the id of a master key. */
export const KEY_ID_BYTES = 8

/** HKDF with SHA-256 (RFC 5869). */
export function hkdf(key: Uint8Array, salt: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, `colab-escape 1 ${info}`, KEY_BYTES))
}

export function hmac(key: Uint8Array, ...parts: Uint8Array[]): Buffer {
  const mac = createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

const NO_SALT = new Uint8Array(0)

/** The keys of an encrypted repository. All are derived from its master key, each for one purpose. */
export class RepositoryKeys {
  /** 32 random bytes. Whoever has them can read all that the repository holds and will ever hold. */
  readonly master: Uint8Array
  /** Tells the master keys of repositories apart. It is no secret. 16 hex digits. */
  readonly id: string
  readonly idBytes: Uint8Array
  readonly objects: Uint8Array
  readonly nonces: Uint8Array
  readonly names: Uint8Array
  readonly chunkIds: Uint8Array
  readonly gear: Uint8Array
  readonly labels: Uint8Array

  constructor(master: Uint8Array) {
    const derive = (purpose: string): Buffer => hkdf(master, NO_SALT, purpose)
    this.master = master
    this.idBytes = derive('key id').subarray(0, KEY_ID_BYTES)
    this.id = toHex(this.idBytes)
    this.objects = derive('objects')
    this.nonces = derive('nonces')
    this.names = derive('object names')
    this.chunkIds = derive('chunk ids')
    this.gear = derive('gear')
    this.labels = derive('labels of keys')
  }
}
