import { ascii, equalBytes } from '../../util/bytes.ts'
import { corrupt } from '../../util/errors.ts'
import { sha256 } from '../../util/hash.ts'
import type { ObjectKind } from '../format/object-names.ts'
import { open, seal, TAG_BYTES } from './aead.ts'
import { hkdf, hmac, KEY_ID_BYTES, type RepositoryKeys } from './keys.ts'

const MAGIC = ascii('CES1')
const NONCE_BYTES = 16
/** Magic, `u8` kind, three zeros, id of the master key, nonce. */
const HEADER_BYTES = MAGIC.length + 4 + KEY_ID_BYTES + NONCE_BYTES
/** Plain bytes of each segment but the last, which may have fewer. */
const SEGMENT_BYTES = 64 * 1024
const STORED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES

/** The kind in the name of a sealed object. `object`: none of the others. */
export type SealedKind = ObjectKind | 'object'

const KIND_BYTES: Record<SealedKind, number> = { pack: 1, index: 2, snapshot: 3, label: 4, tomb: 5, object: 6 }

const segmentsOf = (plainSize: number): number => Math.max(1, Math.ceil(plainSize / SEGMENT_BYTES))

/** Bytes of a sealed object. */
export function sealedSize(plainSize: number): number {
  return HEADER_BYTES + plainSize + segmentsOf(plainSize) * TAG_BYTES
}

/** Plain bytes of a sealed object. Undefined if no object has this size. */
export function plainSize(size: number): number | undefined {
  const stored = size - HEADER_BYTES
  const plain = stored - Math.ceil(stored / STORED_SEGMENT_BYTES) * TAG_BYTES
  return plain >= 0 && sealedSize(plain) === size ? plain : undefined
}

/**
 * The nonce of an object. It is made from the object's bytes, of which those of packs, indexes, labels and tombs hold
 * 16 random ones. So an object that is sealed twice gives the same bytes, and two objects never share a key.
 */
export function nonceOf(keys: RepositoryKeys, kind: SealedKind, plainHash: Uint8Array): Buffer {
  return hmac(keys.nonces, Uint8Array.of(KIND_BYTES[kind]), plainHash).subarray(0, NONCE_BYTES)
}

/** Seals and opens the segments of one object: AES-256-GCM (NIST SP 800-38D) with a key of the object's own. */
class ObjectCipher {
  readonly header: Buffer
  private readonly key: Buffer

  constructor(keys: RepositoryKeys, kind: SealedKind, nonce: Uint8Array) {
    this.header = Buffer.concat([MAGIC, Uint8Array.of(KIND_BYTES[kind], 0, 0, 0), keys.idBytes, nonce])
    this.key = hkdf(keys.objects, this.header, 'object')
  }

  /** No two segments of an object have the same: the last one is told apart, so that a cut object has no last one. */
  private iv(segment: number, isLast: boolean): Buffer {
    const iv = Buffer.alloc(12)
    iv.writeUInt32BE(segment, 7)
    iv[11] = Number(isLast)
    return iv
  }

  seal(plain: Uint8Array, segment: number, isLast: boolean): Buffer {
    return seal(this.key, plain, { iv: this.iv(segment, isLast), to: this.header })
  }

  /** Undefined if the bytes are not those that were sealed at this place of this object. */
  open(sealed: Uint8Array, segment: number, isLast: boolean): Buffer | undefined {
    return open(this.key, sealed, { iv: this.iv(segment, isLast), to: this.header })
  }
}

/** Seals an object: equal bytes give equal bytes. Opens the result again before it returns it. */
export function sealObject(keys: RepositoryKeys, kind: SealedKind, plain: Uint8Array): Buffer {
  const cipher = new ObjectCipher(keys, kind, nonceOf(keys, kind, sha256(plain)))
  const sealed = Buffer.allocUnsafe(sealedSize(plain.length))
  let at = cipher.header.copy(sealed)
  const segments = segmentsOf(plain.length)
  for (let segment = 0; segment < segments; segment++) {
    const piece = plain.subarray(segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES)
    const isLast = segment === segments - 1
    const stored = cipher.seal(piece, segment, isLast)
    const back = cipher.open(stored, segment, isLast)
    if (back === undefined || !equalBytes(back, piece)) throw corrupt('A new sealed object', 'it does not open as it was sealed')
    at += stored.copy(sealed, at)
  }
  return sealed
}

/** Opens a whole object. Throws `corrupt` for anything but what `sealObject` made of this kind with these keys. */
export function openObject(keys: RepositoryKeys, kind: SealedKind, sealed: Uint8Array, what: string): Buffer {
  const size = plainSize(sealed.length)
  if (size === undefined) throw corrupt(what, 'it is cut short')
  const cipher = new ObjectCipher(keys, kind, sealed.subarray(HEADER_BYTES - NONCE_BYTES, HEADER_BYTES))
  if (!equalBytes(cipher.header, sealed.subarray(0, HEADER_BYTES))) throw corrupt(what, whyNotOurs(keys, sealed))
  const plain = openSegments(cipher, sealed.subarray(HEADER_BYTES), 0, size, what)
  if (!equalBytes(nonceOf(keys, kind, sha256(plain)), sealed.subarray(HEADER_BYTES - NONCE_BYTES, HEADER_BYTES)))
    throw corrupt(what, 'its nonce is not that of its bytes')
  return plain
}

/** The kind that a sealed object says it is. */
export function kindInHeader(sealed: Uint8Array): SealedKind {
  const kinds = Object.keys(KIND_BYTES) as SealedKind[]
  return kinds.find(kind => KIND_BYTES[kind] === sealed[MAGIC.length]) ?? 'object'
}

function whyNotOurs(keys: RepositoryKeys, sealed: Uint8Array): string {
  const id = sealed.subarray(MAGIC.length + 4, MAGIC.length + 4 + KEY_ID_BYTES)
  if (!equalBytes(sealed.subarray(0, MAGIC.length), MAGIC)) return 'it is not sealed'
  return equalBytes(id, keys.idBytes) ? 'it is an object of another kind' : 'it was sealed with the key of another repository'
}

/** Bytes `start` to `end` of a sealed object that hold bytes `start` to `end` of the plain object. */
export function sealedRange(start: number, end: number, size: number): { start: number; end: number } {
  const first = Math.floor(start / SEGMENT_BYTES)
  const last = Math.max(first, Math.ceil(end / SEGMENT_BYTES) - 1)
  const plainEnd = Math.min(size, (last + 1) * SEGMENT_BYTES)
  return { start: HEADER_BYTES + first * STORED_SEGMENT_BYTES, end: HEADER_BYTES + plainEnd + (last + 1) * TAG_BYTES }
}

/**
 * Opens the plain bytes `start` to `end` of an object of `size` plain bytes. `sealed`: what `sealedRange` names.
 * `nonce`: see `nonceOf`. Throws `corrupt`.
 */
export function openRange(
  keys: RepositoryKeys,
  kind: SealedKind,
  nonce: Uint8Array,
  sealed: Uint8Array,
  { start, end, size }: { start: number; end: number; size: number },
  what: string,
): Buffer {
  const first = Math.floor(start / SEGMENT_BYTES)
  const plain = openSegments(new ObjectCipher(keys, kind, nonce), sealed, first, size, what)
  return plain.subarray(start - first * SEGMENT_BYTES, end - first * SEGMENT_BYTES)
}

function openSegments(cipher: ObjectCipher, sealed: Uint8Array, first: number, size: number, what: string): Buffer {
  const segments = segmentsOf(size)
  const plain: Buffer[] = []
  for (let at = 0, segment = first; at < sealed.length; at += STORED_SEGMENT_BYTES, segment++) {
    const piece = cipher.open(sealed.subarray(at, at + STORED_SEGMENT_BYTES), segment, segment === segments - 1)
    if (piece === undefined) throw corrupt(what, 'its bytes are not those that were sealed')
    plain.push(piece)
  }
  return plain.length === 1 ? plain[0]! : Buffer.concat(plain)
}
