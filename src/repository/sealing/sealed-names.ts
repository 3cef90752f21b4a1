import { isObjectName } from '../../storage/storage.ts'
import { AppError } from '../../util/errors.ts'
import { toHex } from '../../util/hash.ts'
import { hashInName, snapshotNameParts, snapshotObjectName, type ObjectKind } from '../format/object-names.ts'
import { open, seal } from './aead.ts'
import { fromBase32, toBase32 } from './base32.ts'
import { hkdf, type RepositoryKeys } from './keys.ts'
import type { SealedKind } from './sealed-object.ts'

/** `<kind>-<SHA-256 of the sealed bytes>-<token>`. The token is the object's plain name, sealed for these bytes. */
const SEALED_NAME = /^(pack|index|snapshot|label|tomb|object)-([0-9a-f]{64})-([a-z2-7]+)$/

const HASH_BYTES = 32
const NAME_BYTES = 64
const SNAPSHOT_BYTES = 8 + 8 + NAME_BYTES
/** The token of an object that has no id in its name holds the name itself, with zeros behind it up to this length. */
export const LONGEST_OTHER = 95

/** Whether a name looks like that of a sealed object. */
export const isSealedName = (name: string): boolean => SEALED_NAME.test(name)

/** The digits in the name of any object, sealed or not, with which the SHA-256 of its stored bytes begins, in hex. */
export const storedHashInName = (name: string): string | undefined => SEALED_NAME.exec(name)?.[2] ?? hashInName(name)

export interface SealedName {
  kind: SealedKind
  /** SHA-256 of the sealed bytes, in hex. */
  sealedId: string
  /** The name that the object has without encryption. */
  plain: string
}

/** The kind of an object by its plain name. */
export function sealedKindOf(plain: string): SealedKind {
  if (snapshotToken(plain) !== undefined) return 'snapshot'
  return hashInName(plain) !== undefined && !plain.startsWith('snapshot-') ? (/^[a-z]+/.exec(plain)![0] as ObjectKind) : 'object'
}

function snapshotToken(plain: string): Buffer | undefined {
  const parts = snapshotNameParts(plain)
  if (parts === undefined) return undefined
  const token = Buffer.alloc(SNAPSHOT_BYTES)
  token.writeBigUInt64BE(BigInt(parts.time))
  token.write(parts.shortId, 8, 'hex')
  token.write(parts.name, 16, 'utf8')
  return token
}

function nameOfSnapshot(token: Buffer): string | undefined {
  const time = Number(token.readBigUInt64BE())
  if (!Number.isSafeInteger(time) || time > 8.64e15) return undefined
  const end = token.indexOf(0, 16)
  return snapshotObjectName(time, token.toString('hex', 8, 16), token.toString('utf8', 16, end === -1 ? undefined : end))
}

function plainToken(plain: string, kind: SealedKind): Buffer {
  if (kind === 'snapshot') return snapshotToken(plain)!
  if (kind !== 'object') return Buffer.from(hashInName(plain)!, 'hex')
  if (plain.length > LONGEST_OTHER || !isObjectName(plain))
    throw new AppError('io', `An encrypted store can't hold an object named ${JSON.stringify(plain)}.`, {
      hint: 'Nothing was stored. Please report this: a repository never makes such a name.',
    })
  const token = Buffer.alloc(LONGEST_OTHER)
  token.write(plain, 'ascii')
  return token
}

function plainName(token: Buffer, kind: SealedKind): string | undefined {
  if (kind === 'snapshot') return token.length === SNAPSHOT_BYTES ? nameOfSnapshot(token) : undefined
  if (kind === 'object') {
    const text = token.toString('latin1').replace(/\0+$/, '')
    return token.length === LONGEST_OTHER && isObjectName(text) ? text : undefined
  }
  if (token.length !== HASH_BYTES) return undefined
  return kind === 'pack' || kind === 'index' ? `${kind}-${toHex(token)}` : `${kind}-${toHex(token)}.json`
}

/** Each name has a key of its own, so a token says nothing anywhere else. */
const keyOf = (keys: RepositoryKeys, kind: SealedKind, sealedId: string): Buffer =>
  hkdf(keys.names, Buffer.from(sealedId, 'hex'), `name ${kind}`)

/** The name under which an object is stored. Throws `io` for a plain name that is too long. */
export function sealName(keys: RepositoryKeys, { kind, sealedId, plain }: SealedName): string {
  const token = seal(keyOf(keys, kind, sealedId), plainToken(plain, kind))
  return `${kind}-${sealedId}-${toBase32(token)}`
}

/** Undefined for a name that was not made with these keys. */
export function openName(keys: RepositoryKeys, name: string): SealedName | undefined {
  const parts = SEALED_NAME.exec(name)
  const token = parts && fromBase32(parts[3]!)
  if (!token) return undefined
  const [kind, sealedId] = [parts[1] as SealedKind, parts[2]!]
  const opened = open(keyOf(keys, kind, sealedId), token)
  const plain = opened && plainName(opened, kind)
  return plain === undefined || sealedKindOf(plain) !== kind ? undefined : { kind, sealedId, plain }
}
