import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { labelName, packName, snapshotObjectName } from '../../../src/repository/format/object-names.ts'
import { decodeKeyObject, labelOf, passwordBytes, unwrapKey, wrapKey } from '../../../src/repository/sealing/key-object.ts'
import { formatRecoveryCode, parseRecoveryCode } from '../../../src/repository/sealing/recovery-code.ts'
import { openName, sealedKindOf, sealName } from '../../../src/repository/sealing/sealed-names.ts'
import {
  nonceOf,
  openObject,
  openRange,
  plainSize,
  sealedRange,
  sealedSize,
  sealObject,
} from '../../../src/repository/sealing/sealed-object.ts'
import { sha256, sha256Hex } from '../../../src/util/hash.ts'
import { testKeys } from '../../helpers/repository/keys.ts'
import { seededBytes } from '../../helpers/seeded.ts'

const keys = testKeys()
const SIZES = [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]

describe('a sealed object', () => {
  test.each(SIZES)('of %d bytes opens to what was sealed, and is always sealed alike', size => {
    const plain = seededBytes(size, 1)
    const sealed = sealObject(keys, 'pack', plain)
    expect([sealed.length, plainSize(sealed.length)]).toEqual([sealedSize(size), size])
    expect(openObject(keys, 'pack', sealed, 'it').equals(plain)).toBe(true)
    expect(sealObject(keys, 'pack', plain).equals(sealed)).toBe(true)
  })

  test('has a range that opens by itself', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SIZES), fc.nat(200_000), fc.nat(200_000), (size, a, b) => {
        const plain = seededBytes(size, 2)
        const start = Math.min(a, b, size)
        const end = Math.min(Math.max(a, b), size)
        const part = sealedRange(start, end, size)
        const sealed = sealObject(keys, 'pack', plain).subarray(part.start, part.end)
        const opened = openRange(keys, 'pack', nonceOf(keys, 'pack', sha256(plain)), sealed, { start, end, size }, 'it')
        expect(opened.equals(plain.subarray(start, end))).toBe(true)
      }),
      { seed: 1 },
    )
  })

  test('opens with no changed bit, no other length, no other kind and no other key', () => {
    const sealed = sealObject(keys, 'pack', seededBytes(70_000, 3))
    for (let at = 0; at < sealed.length; at += at < 40 ? 1 : 997) {
      const changed = Buffer.from(sealed)
      changed[at]! ^= 1 << (at % 8)
      expect(() => openObject(keys, 'pack', changed, 'it'), String(at)).toThrow(/^it is damaged/)
    }
    for (const length of [0, 31, 32, 47, 48, 65_584, sealed.length - 1])
      expect(() => openObject(keys, 'pack', sealed.subarray(0, length), 'it'), String(length)).toThrow(/^it is damaged/)
    expect(() => openObject(keys, 'index', sealed, 'it')).toThrow('of another kind')
    expect(() => openObject(testKeys(2), 'pack', sealed, 'it')).toThrow('another repository')
  })
})

describe('the name of a sealed object', () => {
  const id = sha256Hex(Buffer.from('id'))
  const names = [
    packName(id),
    labelName(id),
    snapshotObjectName(Date.UTC(2026, 10, 22), id, 'läufe/'.replace('/', '-')),
    snapshotObjectName(0, id, 'x'.repeat(64)),
    'something-else',
  ]

  test.each(names)('%s tells its plain name to those who have the key, and to nobody else', plain => {
    const sealedId = sha256Hex(Buffer.from('sealed'))
    const kind = sealedKindOf(plain)
    const name = sealName(keys, { kind, sealedId, plain })
    expect(name.length).toBeLessThanOrEqual(250)
    expect(openName(keys, name)).toEqual({ kind, sealedId, plain })
    expect(openName(testKeys(2), name)).toBeUndefined()
    for (const other of [name.replace(kind, kind === 'pack' ? 'index' : 'pack'), `${name.slice(0, -1)}${name.endsWith('a') ? 'b' : 'a'}`])
      expect(openName(keys, other)).toBeUndefined()
    expect(openName(keys, name.replace(sealedId, id))).toBeUndefined()
  })
})

describe('a key', () => {
  const cost = { n: 2 ** 14, r: 8, p: 1 }
  const made = (secret: Uint8Array, kind: 'password' | 'recovery' | 'machine' = 'password') =>
    wrapKey(keys, { kind, secret, label: 'Änne', created: 5, random: randomBytes, cost })

  test('opens with its password, however that is typed, and with no other', async () => {
    const { name, bytes } = await made(passwordBytes('p\u00e4ss'))
    const object = decodeKeyObject(name, bytes)
    expect((await unwrapKey(object, passwordBytes('pa\u0308ss')))?.master).toEqual(Buffer.from(keys.master))
    expect(await unwrapKey(object, passwordBytes('pass'))).toBeUndefined()
    expect([labelOf(keys, object), labelOf(testKeys(2), object)]).toEqual(['Änne', undefined])
    expect(Buffer.from(bytes).includes('nne')).toBe(false)
  })

  test('is refused where a byte was changed', async () => {
    const { name, bytes } = await made(passwordBytes('pass'))
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      expect(() => decodeKeyObject(name, changed)).toThrow('checksum')
    }
  })

  test('of a recovery code opens with the code as a person types it', async () => {
    const secret = randomBytes(20)
    const code = formatRecoveryCode(secret)
    expect(code).toMatch(/^([A-Z2-7]{5}-){7}[A-Z2-7]{5}$/)
    const { name, bytes } = await made(secret, 'recovery')
    const typed = parseRecoveryCode(code.toLowerCase().replaceAll('-', ' '))!
    expect((await unwrapKey(decodeKeyObject(name, bytes), typed))?.id).toBe(keys.id)
    for (let at = 0; at < code.length; at++) {
      if (code[at] === '-') continue
      const wrong = code.slice(0, at) + (code[at] === 'A' ? 'C' : 'A') + code.slice(at + 1)
      expect(parseRecoveryCode(wrong)).toBeUndefined()
    }
  })
})
