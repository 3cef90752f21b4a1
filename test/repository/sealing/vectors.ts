import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { labelName, packName, snapshotObjectName, tombName } from '../../../src/repository/format/object-names.ts'
import { passwordBytes, wrapKey, type KeyKind } from '../../../src/repository/sealing/key-object.ts'
import { RepositoryKeys } from '../../../src/repository/sealing/keys.ts'
import { formatRecoveryCode } from '../../../src/repository/sealing/recovery-code.ts'
import { sealedChunkKeys } from '../../../src/repository/sealing/sealed-chunks.ts'
import { sealedKindOf, sealName } from '../../../src/repository/sealing/sealed-names.ts'
import { nonceOf, sealObject, type SealedKind } from '../../../src/repository/sealing/sealed-object.ts'
import { sha256, sha256Hex, toHex } from '../../../src/util/hash.ts'

export const VECTORS = fileURLToPath(new URL('vectors.json', import.meta.url))

/** Bytes that every program can make: byte i of a text of `seed` is byte i mod 32 of SHA-256 of `<seed> <i div 32>`. */
export function vectorBytes(seed: string, size: number): Buffer {
  const pieces = Array.from({ length: Math.ceil(size / 32) }, (_, i) => sha256(Buffer.from(`${seed} ${i}`)))
  return Buffer.concat(pieces).subarray(0, size)
}

const SIZES = [0, 1, 16, 65_535, 65_536, 65_537, 131_072, 140_000]
const KINDS: SealedKind[] = ['pack', 'index', 'snapshot', 'label', 'tomb', 'object']

function namesOf(id: string): string[] {
  return [
    packName(id),
    `index-${id}`,
    labelName(id),
    tombName(id),
    snapshotObjectName(0, id, 'a'),
    snapshotObjectName(Date.UTC(2026, 10, 22, 9, 30, 0, 7), id, 'größe 100% 日本'),
    snapshotObjectName(Date.UTC(9999, 11, 31, 23, 59, 59, 999), id, 'x'.repeat(64)),
    'something-else',
    'x'.repeat(95),
  ]
}

const KEY_OBJECTS: { kind: KeyKind; password?: string; label: string; created: number }[] = [
  { kind: 'password', password: 'correct horse battery', label: 'colab', created: 1_700_000_000_000 },
  { kind: 'password', password: 'pa\u0308sswo\u0308rter \ufb01n', label: 'Änne '.repeat(40), created: 0 },
  { kind: 'recovery', label: '', created: 1 },
  { kind: 'machine', label: 'laptop', created: 8.64e15 },
]

/** What the committed vectors hold, made by the program of today. */
export async function makeVectors(): Promise<unknown> {
  const master = vectorBytes('master', 32)
  const keys = new RepositoryKeys(master)
  const chunks = sealedChunkKeys(keys)
  const id = toHex(sha256(Buffer.from('plain')))
  const keyObjects = []
  for (const [number, { kind, password, label, created }] of KEY_OBJECTS.entries()) {
    const secret = password === undefined ? vectorBytes(`secret ${number}`, kind === 'recovery' ? 20 : 32) : passwordBytes(password)
    const random = (bytes: number): Buffer => vectorBytes(`salt ${number}`, bytes)
    const { name, bytes } = await wrapKey(keys, { kind, secret, label, created, random, cost: { n: 2 ** 14, r: 8, p: 1 } })
    const code = kind === 'recovery' ? { code: formatRecoveryCode(secret) } : {}
    keyObjects.push({
      name,
      bytes: Buffer.from(bytes).toString(),
      secret: toHex(secret),
      ...(password === undefined ? {} : { password }),
      ...code,
      label,
    })
  }
  return {
    master: toHex(master),
    keys: {
      'key id': keys.id,
      objects: toHex(keys.objects),
      nonces: toHex(keys.nonces),
      'object names': toHex(keys.names),
      'chunk ids': toHex(keys.chunkIds),
      gear: toHex(keys.gear),
      'labels of keys': toHex(keys.labels),
    },
    gear: Array.from(chunks.gear!),
    chunks: SIZES.map(size => ({ size, id: toHex(chunks.idOf(vectorBytes('chunk', size))) })),
    objects: SIZES.flatMap((size, i) =>
      [KINDS[i % 6]!, KINDS[(i + 3) % 6]!].map(kind => {
        const plain = vectorBytes(`object ${size}`, size)
        const sealed = sealObject(keys, kind, plain)
        const whole = sealed.length < 100 ? { sealed: toHex(sealed) } : {}
        return {
          kind,
          size,
          nonce: toHex(nonceOf(keys, kind, sha256(plain))),
          header: toHex(sealed.subarray(0, 32)),
          sealedSize: sealed.length,
          sealedHash: sha256Hex(sealed),
          ...whole,
        }
      }),
    ),
    names: namesOf(id).map((plain, i) => {
      const kind = sealedKindOf(plain)
      const sealedId = toHex(sha256(Buffer.from(`sealed ${i}`)))
      return { kind, plain, name: sealName(keys, { kind, plain, sealedId }) }
    }),
    keyObjects,
  }
}

export const readVectors = (): unknown => JSON.parse(readFileSync(VECTORS, 'utf8'))
