import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IdTable } from '../../../src/repository/index/id-table.ts'
import { toHex } from '../../../src/util/hash.ts'
import { idOf } from '../../helpers/repository/arbitraries.ts'

/**
 * Ids that meet each other: few first words, the last slot of a table among them, and some that differ in their last
 * byte alone.
 */
const crowdedId = fc.tuple(fc.constantFrom(0, 1, 0xffff_ffff, 0xffff_ff3f, 63, 64), fc.nat(3), fc.nat(3)).map(([first, second, last]) => {
  const id = Buffer.alloc(32)
  id.writeUInt32LE(first, 0)
  id[4] = second
  id[31] = last
  return id
})
const anyIdAtAll = fc.oneof(crowdedId, fc.nat(200).map(idOf))

function entriesOf(table: IdTable, id: Uint8Array): number[] {
  const entries: number[] = []
  for (let entry = table.find(id); entry >= 0; entry = table.findNext(entry)) entries.push(entry)
  return entries
}

test('finds what a map of lists finds, through duplicates and growth', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.array(anyIdAtAll, { maxLength: 400 }), fc.array(anyIdAtAll, { maxLength: 20 }), (expected, ids, others) => {
      const table = new IdTable(expected)
      const model = new Map<string, number[]>()
      for (const [i, id] of ids.entries()) {
        expect(table.add(id)).toBe(i)
        model.set(toHex(id), [...(model.get(toHex(id)) ?? []), i])
      }
      expect(table.size).toBe(ids.length)
      for (const [hex, entries] of model) expect(entriesOf(table, Buffer.from(hex, 'hex'))).toEqual(entries)
      for (const id of others) expect(table.has(id)).toBe(model.has(toHex(id)))
      expect(ids.every((id, i) => Buffer.from(table.id(i)).equals(id))).toBe(true)
    }),
    { seed: 1, numRuns: 100 },
  )
})

test('grows while it is used, and never loses what it had', () => {
  const table = new IdTable()
  for (let i = 0; i < 5000; i++) {
    expect(table.find(idOf(i))).toBe(-1)
    table.add(idOf(i))
    expect(table.find(idOf(i >> 1))).toBe(i >> 1)
  }
  for (let i = 0; i < 5000; i++) expect(table.find(idOf(i))).toBe(i)
})

test('reads ids in the middle of longer bytes', () => {
  const table = new IdTable()
  const ids = Buffer.concat([idOf(1), idOf(2), idOf(3)])
  table.add(ids, 64)
  table.add(ids, 32)
  expect([table.find(ids, 0), table.find(ids, 32), table.find(ids, 64)]).toEqual([-1, 1, 0])
  ids.fill(0)
  expect(table.find(idOf(3))).toBe(0)
})

describe('chosen ids take little longer than others', () => {
  const COUNT = 100_000
  const chosen: Record<string, (i: number, id: Buffer) => void> = {
    'ids that begin alike': (i, id) => id.writeUInt32BE(i, 28),
    'ids that fill neighbouring slots': (i, id) => id.writeUInt32LE(Math.ceil((i * 2 ** 32) / (1.5 * COUNT)), 0),
    'one id again and again': () => undefined,
  }

  test.each(Object.keys(chosen))('%s', kind => {
    const ids = Array.from({ length: COUNT }, (_, i) => {
      const id = Buffer.alloc(32, 1)
      chosen[kind]!(i, id)
      return id
    })
    const began = performance.now()
    const table = new IdTable(COUNT)
    for (const [i, id] of ids.entries()) expect(table.add(id)).toBe(i)
    const near = Buffer.alloc(32, 2)
    for (let i = 0; i < COUNT; i++) {
      near.writeUInt32LE(i, 0)
      table.has(near)
    }
    const entries = entriesOf(table, ids[COUNT - 1]!)
    expect(entries.length).toBe(kind === 'one id again and again' ? COUNT : 1)
    expect(performance.now() - began).toBeLessThan(3000)
  })
})
