import { expect, test } from 'vitest'
import { everyId, idAt, idCount, idsFromHex } from '../../../src/repository/format/chunk-ids.ts'
import { sha256, sha256Hex } from '../../../src/util/hash.ts'

const names = ['a', 'b', 'c']
const ids = Buffer.concat(names.map(name => sha256(Buffer.from(name))))

test('a list of ids is counted, and each found by its number', () => {
  expect(idCount(ids)).toBe(3)
  expect(idCount(new Uint8Array(0))).toBe(0)
  expect(names.map((_, number) => Buffer.from(idAt(ids, number)).toString('hex'))).toEqual(names.map(name => sha256Hex(Buffer.from(name))))
  expect(idAt(ids, 1).buffer).toBe(ids.buffer)
  expect(idAt(ids, 3).length).toBe(0)
  expect(idsFromHex(names.map(name => sha256Hex(Buffer.from(name)))).equals(ids)).toBe(true)
})

test('a condition on all ids gets their offsets, up to the first that fails it', () => {
  const seen: number[] = []
  expect(everyId(ids, offset => seen.push(offset) > 0)).toBe(true)
  expect(seen).toEqual([0, 32, 64])
  expect(everyId(ids, offset => seen.push(offset) < 5)).toBe(false)
  expect(seen).toEqual([0, 32, 64, 0, 32])
  expect(everyId(new Uint8Array(0), () => false)).toBe(true)
})
