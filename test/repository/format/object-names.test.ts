import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkName,
  compactTime,
  compareSnapshots,
  indexName,
  isOurs,
  kindOfMangled,
  labelName,
  nameProblem,
  normalName,
  packName,
  parseSnapshotObjectName,
  snapshotObjectName,
  takeInventory,
  tombName,
} from '../../../src/repository/format/object-names.ts'
import { isObjectName } from '../../../src/storage/storage.ts'
import { refusal } from '../../helpers/failures.ts'
import { hexOf } from '../../helpers/repository/arbitraries.ts'

const legalName = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 16 }),
    fc.string({ unit: fc.constantFrom('%', '2', 'F', 'é', '.', '-', ' ', '😀', '+'), maxLength: 16 }),
  )
  .filter(name => nameProblem(name) === undefined)
/** Years 1970 to 9999. */
const time = fc.integer({ min: 0, max: 253_402_300_799_999 })
const parse = (name: string) => parseSnapshotObjectName({ name, size: 1, created: 7 })

describe('the object name of a snapshot', () => {
  test('tells time, id and name, and is one that every store can hold', () => {
    fc.assert(
      fc.property(time, fc.nat().map(hexOf), legalName, (at, id, name) => {
        const objectName = snapshotObjectName(at, id, name)
        expect(isObjectName(objectName)).toBe(true)
        expect(isOurs(objectName)).toBe(true)
        expect(parse(objectName)).toEqual({
          objectName,
          name: normalName(name),
          time: at,
          shortId: id.slice(0, 16),
          created: 7,
          effectiveTime: at,
        })
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  test('of the longest name still fits', () => {
    for (const name of ['é'.repeat(32), '%'.repeat(64), '字'.repeat(21)])
      expect(isObjectName(snapshotObjectName(0, hexOf(1), name))).toBe(true)
  })

  test('sorts as versions are ordered: by time, then id', () => {
    const one = fc.tuple(fc.oneof(time, fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_003 })), fc.nat(5).map(hexOf))
    fc.assert(
      fc.property(one, one, legalName, (a, b, name) => {
        const [x, y] = [a, b].map(([at, id]) => parse(snapshotObjectName(at, id, name))!)
        const byName = x!.objectName < y!.objectName ? -1 : x!.objectName > y!.objectName ? 1 : 0
        expect(Math.sign(compareSnapshots(x!, y!))).toBe(byName)
      }),
      { seed: 2, numRuns: 1000 },
    )
  })

  test.each([
    'snapshot-20261122T182401Z-0123456789abcdef-data.json',
    'snapshot-20261322T182401123Z-0123456789abcdef-data.json',
    'snapshot-20260230T182401123Z-0123456789abcdef-data.json',
    'snapshot-20261122T182401123Z-0123456789ABCDEF-data.json',
    'snapshot-20261122T182401123Z-0123456789abcde-data.json',
    'snapshot-20261122T182401123Z-0123456789abcdef-.json',
    'snapshot-20261122T182401123Z-0123456789abcdef-data',
    'snapshot-20261122T182401123Z-0123456789abcdef-data.json (1)',
    'snapshot-20261122T182401123Z-0123456789abcdef-..%2Fdata.json',
    'snapshot-20261122T182401123Z-0123456789abcdef-...json',
    'snapshot-20261122T182401123Z-0123456789abcdef-a%0Ab.json',
    'snapshot-20261122T182401123Z-0123456789abcdef-%ff.json',
    'snapshot-20261122T182401123Z-0123456789abcdef-%FF.json',
    'snapshot-20261122T182401123Z-0123456789abcdef-%ZZ.json',
    `snapshot-20261122T182401123Z-0123456789abcdef-${'a'.repeat(65)}.json`,
  ])('%s is none', name => {
    expect(parse(name)).toBeUndefined()
    expect(takeInventory({ asOf: 0, objects: [{ name, size: 1, created: 0 }] })).toMatchObject({
      mangled: [{ name, kind: 'snapshot', size: 1 }],
      snapshots: [],
      empty: false,
    })
  })

  test('compactTime is to the millisecond, in UTC', () => {
    expect(compactTime(Date.UTC(2026, 10, 22, 18, 24, 1, 123))).toBe('20261122T182401123Z')
    expect(compactTime(0)).toBe('19700101T000000000Z')
  })
})

describe('names', () => {
  test.each(['data', 'a', '.hidden', '...', 'a.b', 'my data', 'Ünï-cödé', '数据', '😀', '100%', 'a'.repeat(64), 'é'.repeat(32), "o'brien"])(
    '%s is one',
    name => expect(checkName(name)).toBe(name),
  )

  test.each([
    '',
    '.',
    '..',
    'a/b',
    'a\\b',
    'a:b',
    'a@b',
    'a~1',
    'a\nb',
    'a\0',
    '\x7f',
    '\x85',
    'a'.repeat(65),
    'é'.repeat(33),
    '\ud800',
    'a\udc80',
  ])('%j is none', name => expect(refusal(() => checkName(name), 'usage').hint).toContain('--name'))
})

test('an inventory sorts objects into what they are and leaves foreign ones alone', () => {
  const object = (name: string, size = 1) => ({ name, size, created: 3 })
  const [a, b] = [hexOf(1), hexOf(2)]
  const older = snapshotObjectName(1000, a, 'data')
  const newer = snapshotObjectName(2000, b, 'data')
  const ours = [
    newer,
    packName(a),
    'config.json',
    indexName(a),
    labelName(a),
    older,
    tombName(a),
    'feature-encryption',
    `pack-${a}.tmp`,
    `label-${a}`,
  ]
  const foreign = ['README.md', 'packs', '.colab-escape-tmp-1', 'Config.json', 'xpack-1']
  const inventory = takeInventory({ asOf: 9, objects: [...foreign, ...ours].map(name => object(name)) })
  expect(inventory).toMatchObject({
    asOf: 9,
    hasConfig: true,
    empty: false,
    features: ['encryption'],
    mangled: [
      { name: `pack-${a}.tmp`, kind: 'pack', size: 1 },
      { name: `label-${a}`, kind: 'label', size: 1 },
    ],
  })
  for (const kind of ['packs', 'indexes', 'labels', 'tombs'] as const) expect([...inventory[kind].keys()]).toEqual([a])
  expect(inventory.snapshots.map(ref => ref.objectName)).toEqual([older, newer])
  expect(takeInventory({ asOf: 9, objects: foreign.map(name => object(name)) }).empty).toBe(true)
})

test.each([
  ['Copy of snapshot-20261122T182401123Z-0123456789abcdef-data.json', 'snapshot'],
  ['snapshot-20261122T182401123Z-0123456789abcdef-data (1).json', 'snapshot'],
  ['SNAPSHOT-20261122T182401123Z-0123456789ABCDEF-DATA.JSON', 'snapshot'],
  ['.snapshot-20261122T182401123Z-0123456789abcdef-data.json.Xy12', 'snapshot'],
  ['snapshot-+0100000101T000000000Z-2ef3cff3705584d5-data.json', 'snapshot'],
  [`Kopie von label-${hexOf(1)}.json`, 'label'],
  [`tomb-${hexOf(1)}.json~`, 'tomb'],
  [`pack-${hexOf(1)} (1)`, 'pack'],
  [`index-${hexOf(1)}-conflict`, 'index'],
  ['index-of-files.txt', undefined],
  ['label-list.txt', undefined],
  ['my-packages', undefined],
  ['notes about labels.txt', undefined],
  ['labels-1234.csv', undefined],
])('%s looks like %s', (name, kind) => expect(kindOfMangled(name)).toBe(kind))
