import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMMIT_WINDOW_MS } from '../../../src/repository/format/limits.ts'
import { nameProblem, normalName, parseSnapshotObjectName, type SnapshotRef } from '../../../src/repository/format/object-names.ts'
import { decodeSnapshot, encodeSnapshot, isLate, type Snapshot } from '../../../src/repository/format/snapshot.ts'
import { sha256Hex } from '../../../src/util/hash.ts'
import { aSnapshot } from '../../helpers/a-snapshot.ts'
import { refusal } from '../../helpers/failures.ts'
import { flipBit, hexOf } from '../../helpers/repository/arbitraries.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const hex = fc.nat(1000).map(hexOf)
const time = fc.integer({ min: 0, max: 253_402_300_799_999 })

const anySnapshot: fc.Arbitrary<Snapshot> = fc.record(
  {
    name: text.filter(name => nameProblem(name) === undefined),
    time,
    listed: time,
    host: text,
    source: fc.record({ path: text, type: fc.constantFrom('directory', 'file') }),
    message: text,
    tags: fc.array(text, { maxLength: 3 }),
    metrics: fc.dictionary(
      text,
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter(value => !Object.is(value, -0)),
    ),
    git: fc.record({ commit: text, branch: text, dirty: fc.boolean() }, { requiredKeys: ['commit'] }),
    incomplete: fc.tuple(fc.integer({ min: 1, max: 2 ** 40 }), fc.nat(), fc.option(fc.nat(3))).map(([files, all, folders]) => {
      const carried = Math.min(files, all)
      return { files, carried, ...(folders === null ? {} : { folders: Math.min(folders, files - carried) }) }
    }),
    parent: fc.option(hex),
    counts: fc.record({ files: fc.maxSafeNat(), directories: fc.nat(), symlinks: fc.nat() }),
    bytes: fc.maxSafeNat(),
    added: fc.record({ bytes: fc.maxSafeNat(), storedBytes: fc.maxSafeNat() }),
    manifest: fc.record({ bytes: fc.maxSafeNat(), chunks: fc.array(hex, { maxLength: 4 }) }),
    program: text,
  },
  {
    requiredKeys: [
      'name',
      'time',
      'listed',
      'host',
      'source',
      'tags',
      'metrics',
      'parent',
      'counts',
      'bytes',
      'added',
      'manifest',
      'program',
    ],
  },
)

const snapshot = aSnapshot()

/** Decodes `content` as an object with the right name, so that only the content can be refused. */
function decodeContent(content: object): unknown {
  const bytes = Buffer.from(JSON.stringify(content))
  return decodeSnapshot(bytes, {
    objectName: 'x',
    name: 'data',
    time: 1000,
    shortId: sha256Hex(bytes).slice(0, 16),
    created: 0,
    effectiveTime: 1000,
  })
}

describe('a snapshot', () => {
  test('comes back as it was written, found by the name of its object', () => {
    fc.assert(
      fc.property(anySnapshot, content => {
        const { id, objectName, bytes } = encodeSnapshot(content)
        const ref = parseSnapshotObjectName({ name: objectName, size: bytes.length, created: 5 })!
        expect(ref).toEqual({
          objectName,
          name: normalName(content.name),
          time: content.time,
          shortId: id.slice(0, 16),
          created: 5,
          effectiveTime: content.time,
        })
        expect(decodeSnapshot(bytes, ref)).toEqual({ ...content, name: ref.name, id: sha256Hex(bytes), ref })
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('is refused with any bit flipped or its end missing', () => {
    const { id, objectName, bytes } = encodeSnapshot(snapshot)
    const ref: SnapshotRef = { objectName, name: 'data', time: 1000, shortId: id.slice(0, 16), created: 0, effectiveTime: 1000 }
    for (let bit = 0; bit < bytes.length * 8; bit++) refusal(() => decodeSnapshot(flipBit(bytes, bit), ref))
    for (let length = 0; length < bytes.length; length++) refusal(() => decodeSnapshot(bytes.subarray(0, length), ref))
  })

  test('under the name or time of another is refused', () => {
    const { id, objectName, bytes } = encodeSnapshot(snapshot)
    const ref: SnapshotRef = { objectName, name: 'data', time: 1000, shortId: id.slice(0, 16), created: 0, effectiveTime: 1000 }
    expect(decodeSnapshot(bytes, ref).id).toBe(id)
    expect(refusal(() => decodeSnapshot(bytes, { ...ref, name: 'date' })).message).toContain('another name or time')
    expect(refusal(() => decodeSnapshot(bytes, { ...ref, time: 1001 })).message).toContain('another name or time')
  })

  test('of a later format asks for a newer program, whatever else it says', () => {
    refusal(() => decodeContent({ format: 2, everything: 'else' }), 'newer-format')
  })

  test.each([
    ['name', '../x'],
    ['time', -1],
    ['listed', 'now'],
    ['host', null],
    ['host', 'h'.repeat(1025)],
    ['source', '/data'],
    ['source', { path: '/data', type: 'socket' }],
    ['message', 5],
    ['tags', ['a', 1]],
    ['tags', 'a'],
    ['metrics', { loss: '0.5' }],
    ['metrics', [1]],
    ['git', { commit: 1, dirty: false }],
    ['git', { dirty: false }],
    ['git', { commit: 'a', dirty: 1 }],
    ['git', 'main'],
    ['incomplete', true],
    ['incomplete', { files: 0, carried: 0 }],
    ['incomplete', { files: 1 }],
    ['incomplete', { files: 1, carried: 2 }],
    ['incomplete', { files: 2, carried: 1, folders: 2 }],
    ['parent', 'none'],
    ['parent', undefined],
    ['counts', { files: 1, directories: 1 }],
    ['counts', { files: 0.5, directories: 0, symlinks: 0 }],
    ['bytes', -5],
    ['added', { bytes: 1 }],
    ['manifest', { bytes: 1, chunks: ['ab'] }],
    ['manifest', { bytes: 2 ** 60, chunks: [] }],
    ['manifest', { chunks: [] }],
    ['program', undefined],
  ])('is refused when its %s is %j', (field, value) => {
    decodeContent({ format: 1, ...snapshot })
    refusal(() => decodeContent({ format: 1, ...snapshot, [field]: value }))
  })

  test('that could not be read back is never written', () => {
    refusal(() => encodeSnapshot({ ...snapshot, message: 'x'.repeat(70_000) }))
    refusal(() => encodeSnapshot({ ...snapshot, metrics: { loss: NaN } }))
  })

  test('is late when the store made it later than the commit window after its listing', () => {
    const { id, objectName, bytes } = encodeSnapshot(snapshot)
    const created = (at: number) =>
      decodeSnapshot(bytes, { objectName, name: 'data', time: 1000, shortId: id.slice(0, 16), created: at, effectiveTime: 1000 })
    expect(isLate(created(snapshot.listed + COMMIT_WINDOW_MS))).toBe(false)
    expect(isLate(created(snapshot.listed + COMMIT_WINDOW_MS + 1))).toBe(true)
  })
})
