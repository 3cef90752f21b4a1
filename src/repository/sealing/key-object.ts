import { scrypt } from 'node:crypto'
import { corrupt, newerFormat } from '../../util/errors.ts'
import { sha256Hex, toHex } from '../../util/hash.ts'
import { Fields, parseJson } from '../../util/json-fields.ts'
import { open, seal, TAG_BYTES } from './aead.ts'
import { hkdf, KEY_BYTES, RepositoryKeys } from './keys.ts'

const FORMAT = 1
const SALT_BYTES = 16
const LABEL_BYTES = 96
const MAX_BYTES = 4096

/**
 * What a key object opens with: a password that a person knows, a recovery code that is printed, or a secret that a
 * machine keeps.
 */
export type KeyKind = 'password' | 'recovery' | 'machine'

/** Cost of scrypt (RFC 7914): it takes 128 * n * r bytes of memory. A power of two. */
interface ScryptCost {
  n: number
  r: number
  p: number
}

/** 128 MiB, and about half a second of a core. */
const SCRYPT_COST: ScryptCost = { n: 2 ** 17, r: 8, p: 1 }
/** A key object with other costs is refused: less is no protection, and more would be an attack on memory. */
const LEAST_N = 2 ** 14
const MOST_N = 2 ** 20
const MOST_R = 32
const MOST_MEMORY = 2 ** 30

export interface KeyObject {
  kind: KeyKind
  /** Id of the master key that it wraps. */
  keyId: string
  salt: Uint8Array
  /** Only of passwords. The other secrets are random, and need no cost. */
  cost: ScryptCost | undefined
  /** The master key, sealed. */
  wrapped: Uint8Array
  /** What the person calls it, sealed. */
  label: Uint8Array
  /** Ms since 1970, by the clock of the machine that made it. */
  created: number
}

const KEY_NAME = /^key-([0-9a-f]{16})-([0-9a-f]{64})\.json$/
const FEATURE_NAME = /^feature-encrypted-([0-9a-f]{16})$/

const keyObjectName = (keyId: string, id: string): string => `key-${keyId}-${id}.json`
export const encryptionFeatureName = (keyId: string): string => `feature-encrypted-${keyId}`

/** The id of the master key that an object of this name belongs to, and its own id. Undefined for other names. */
export function parseKeyObjectName(name: string): { keyId: string; id: string } | undefined {
  const parts = KEY_NAME.exec(name)
  return parts ? { keyId: parts[1]!, id: parts[2]! } : undefined
}

/** The id of the master key of an encrypted repository. Undefined for other names. */
export const parseEncryptionFeature = (name: string): string | undefined => FEATURE_NAME.exec(name)?.[1]

/** Derives the key that wraps a master key. `secret`: UTF-8 of a password (see `passwordBytes`), or random bytes. */
async function wrappingKey(secret: Uint8Array, salt: Uint8Array, cost: ScryptCost | undefined): Promise<Buffer> {
  if (cost === undefined) return hkdf(secret, salt, 'wrapping key')
  const { n, r, p } = cost
  const maxmem = 128 * n * r + 128 * r * p + 2 ** 20
  const stretched = await new Promise<Buffer>((resolve, reject) =>
    scrypt(secret, salt, KEY_BYTES, { N: n, r, p, maxmem }, (error, key) => (error ? reject(error) : resolve(key))),
  )
  return hkdf(stretched, salt, 'wrapping key')
}

/** A password is the same however a keyboard spells its accents. */
export const passwordBytes = (password: string): Uint8Array => new TextEncoder().encode(password.normalize('NFKC'))

/** All that a wrapped key is bound to. */
function boundTo({ kind, keyId, cost }: Pick<KeyObject, 'kind' | 'keyId' | 'cost'>): Buffer {
  return Buffer.from(`colab-escape 1 key ${keyId} ${kind} ${cost ? `${cost.n} ${cost.r} ${cost.p}` : '-'}`)
}

/** Each label has a key of its own by its salt, which is never used twice. */
const labelKey = (keys: RepositoryKeys, salt: Uint8Array): Buffer => hkdf(keys.labels, salt, 'label')

interface NewKey {
  kind: KeyKind
  secret: Uint8Array
  /** At most 96 bytes of UTF-8; the rest is cut off. */
  label: string
  created: number
  random: (bytes: number) => Uint8Array
  cost?: ScryptCost
}

/**
 * Wraps a master key, so that `secret` opens it, and opens it again before it returns the object. `secret` is random if
 * `kind` is not `password`.
 */
export async function wrapKey(
  keys: RepositoryKeys,
  { kind, secret, label, created, random, cost = SCRYPT_COST }: NewKey,
): Promise<{ name: string; bytes: Uint8Array }> {
  const salt = random(SALT_BYTES)
  const head = { kind, keyId: keys.id, cost: kind === 'password' ? cost : undefined }
  const wrapping = await wrappingKey(secret, salt, head.cost)
  const padded = Buffer.alloc(LABEL_BYTES)
  padded.write(label.toWellFormed(), 'utf8')
  const object: KeyObject = {
    ...head,
    salt,
    wrapped: seal(wrapping, keys.master, { to: boundTo(head) }),
    label: seal(labelKey(keys, salt), padded, { to: boundTo(head) }),
    created,
  }
  const bytes = encodeKeyObject(object)
  const name = keyObjectName(keys.id, sha256Hex(bytes))
  const readBack = open(wrapping, decodeKeyObject(name, bytes).wrapped, { to: boundTo(head) })
  if (readBack === undefined || !readBack.equals(keys.master)) throw corrupt('A new key', 'it does not open as it was made')
  return { name, bytes }
}

/** The keys of the repository. Undefined if `secret` is not the one that the object was made with. */
export async function unwrapKey(object: KeyObject, secret: Uint8Array): Promise<RepositoryKeys | undefined> {
  const master = open(await wrappingKey(secret, object.salt, object.cost), object.wrapped, { to: boundTo(object) })
  const keys = master && new RepositoryKeys(master)
  return keys?.id === object.keyId ? keys : undefined
}

/** What the person calls a key. Undefined if it was changed. */
export function labelOf(keys: RepositoryKeys, object: KeyObject): string | undefined {
  return open(labelKey(keys, object.salt), object.label, { to: boundTo(object) })
    ?.toString('utf8')
    .replace(/\0+$/, '')
}

function encodeKeyObject({ kind, keyId, salt, cost, wrapped, label, created }: KeyObject): Uint8Array {
  const kdf = cost ? { name: 'scrypt', ...cost } : { name: 'hkdf' }
  const content = { format: FORMAT, key: keyId, kind, kdf, salt: toHex(salt), wrapped: toHex(wrapped), label: toHex(label), created }
  return new TextEncoder().encode(`${JSON.stringify(content, undefined, 1)}\n`)
}

/** Throws `corrupt` or `newer-format`. */
export function decodeKeyObject(name: string, bytes: Uint8Array): KeyObject {
  const what = `The key ${name.slice(0, 30)}`
  const ids = parseKeyObjectName(name)
  if (bytes.length > MAX_BYTES) throw corrupt(what, 'it is too large')
  if (ids === undefined || sha256Hex(bytes) !== ids.id) throw corrupt(what, 'its content does not match the checksum in its name')
  const fields = new Fields(parseJson(bytes, what), what)
  if (fields.integer('format') > FORMAT) throw newerFormat(what)
  const kind = fields.string('kind')
  if (kind !== 'password' && kind !== 'recovery' && kind !== 'machine') throw newerFormat(what)
  const keyId = fields.string('key')
  if (keyId !== ids.keyId) fields.fail('key', 'is not the one in its name')
  const cost = costIn(fields.fields('kdf'), what)
  if ((kind === 'password') !== (cost !== undefined)) fields.fail('kdf', 'is not the one for this kind of key')
  const hex = (field: string, length: number): Buffer => {
    const text = fields.string(field)
    return text.length === 2 * length && /^[0-9a-f]*$/.test(text) ? Buffer.from(text, 'hex') : fields.fail(field, 'has a wrong length')
  }
  return {
    kind,
    keyId,
    cost,
    salt: hex('salt', SALT_BYTES),
    wrapped: hex('wrapped', KEY_BYTES + TAG_BYTES),
    label: hex('label', LABEL_BYTES + TAG_BYTES),
    created: fields.integer('created', 8.64e15),
  }
}

function costIn(fields: Fields, what: string): ScryptCost | undefined {
  const name = fields.string('name')
  if (name === 'hkdf') return undefined
  if (name !== 'scrypt') throw newerFormat(what)
  const cost = { n: fields.integer('n', MOST_N), r: fields.integer('r', MOST_R), p: fields.integer('p', 4) }
  const { n, r, p } = cost
  if (n < LEAST_N || (n & (n - 1)) !== 0 || r < 8 || p < 1 || 128 * n * r > MOST_MEMORY)
    fields.fail('n', 'is no cost that this program accepts')
  return cost
}
