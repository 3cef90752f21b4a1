import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeLabel, decodeTomb, encodeLabel, encodeTomb, type Label, type Tomb } from '../../../src/repository/format/label-and-tomb.ts'
import { sha256Hex } from '../../../src/util/hash.ts'
import { refusal } from '../../helpers/failures.ts'
import { flipBit, hexOf } from '../../helpers/repository/arbitraries.ts'

const NONCE = '00112233445566778899aabbccddeeff'
const hex = fc.nat(1000).map(hexOf)
const tags = fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 5 })
const text = fc.string({ unit: 'grapheme', maxLength: 50 })
const metrics = fc.dictionary(fc.constantFrom('acc', 'loss', 'val/f1'), fc.oneof(fc.constant(null), fc.integer()), {
  noNullPrototype: true,
})
const changes = fc.record({ add: tags, remove: tags, message: text, metrics }, { requiredKeys: ['add', 'remove'] })
const anyLabel: fc.Arbitrary<Label> = fc.tuple(hex, changes).map(([snapshot, change]) => ({ snapshot, ...change }))
const forgotten = fc.record({ time: fc.nat(), versions: fc.array(fc.record({ version: text, label: changes }), { maxLength: 3 }) })
const anyTomb: fc.Arbitrary<Tomb> = fc.oneof(
  fc.record({ kind: fc.constant('packs'), packs: fc.array(hex, { maxLength: 5 }), forgotten }, { requiredKeys: ['kind', 'packs'] }),
  fc.record({ kind: fc.constant('marker'), spent: fc.array(hex, { maxLength: 5 }) }),
)

const object = (content: unknown): [Uint8Array, string] => {
  const bytes = Buffer.from(JSON.stringify(content))
  return [bytes, sha256Hex(bytes)]
}

describe.each([
  [
    'label',
    anyLabel as fc.Arbitrary<object>,
    encodeLabel as (content: never, nonce: string) => { id: string; bytes: Uint8Array },
    decodeLabel,
  ],
  ['tomb', anyTomb, encodeTomb, decodeTomb],
] as const)('a %s', (_, any, encode, decode) => {
  test('comes back as it was written, under another name with another nonce', () => {
    fc.assert(
      fc.property(any, content => {
        const { id, bytes } = encode(content as never, NONCE)
        expect(id).toBe(sha256Hex(bytes))
        expect(decode(bytes, id)).toEqual(content)
        expect(encode(content as never, NONCE.replace('0', '1')).id).not.toBe(id)
      }),
      { seed: 1 },
    )
  })

  test('is refused with any bit flipped or its end missing', () => {
    fc.assert(
      fc.property(any, content => {
        const { id, bytes } = encode(content as never, NONCE)
        for (let bit = 0; bit < bytes.length * 8; bit += 3) refusal(() => decode(flipBit(bytes, bit), id))
        for (let length = 0; length < bytes.length; length++) refusal(() => decode(bytes.subarray(0, length), id))
      }),
      { seed: 2, numRuns: 10 },
    )
  })

  test('of a later format asks for a newer program', () => {
    refusal(() => decode(...object({ format: 2 })), 'newer-format')
  })

  test.each([
    [{}],
    [[]],
    [null],
    [{ format: 1 }],
    [{ format: 1, snapshot: 'x', add: [], remove: [], packs: 3 }],
    [{ format: '1', spent: [] }],
  ])('must not be %j', content => void refusal(() => decode(...object(content))))
})

test('a tomb is written without its kind', () => {
  const text = ({ bytes }: { bytes: Uint8Array }): unknown => JSON.parse(Buffer.from(bytes).toString())
  expect(text(encodeTomb({ kind: 'packs', packs: [hexOf(1)] }, NONCE))).toEqual({ format: 1, packs: [hexOf(1)], nonce: NONCE })
  expect(text(encodeTomb({ kind: 'marker', spent: [hexOf(1)] }, NONCE))).toEqual({ format: 1, spent: [hexOf(1)], nonce: NONCE })
})

test.each([
  { snapshot: hexOf(1), add: ['ok', 3], remove: [] },
  { snapshot: hexOf(1), add: ['x'.repeat(1025)], remove: [] },
  { snapshot: hexOf(1), add: [] },
  { snapshot: hexOf(1).toUpperCase(), add: [], remove: [] },
  { snapshot: `${hexOf(1)}0`, add: [], remove: [] },
])('a label must not be %j', content => void refusal(() => decodeLabel(...object({ format: 1, ...content }))))

test.each([{ packs: ['x'] }, { packs: [hexOf(1), null] }, { spent: {} }, { spent: [`${hexOf(1)}\n`] }])(
  'a tomb must not be %j',
  content => {
    refusal(() => decodeTomb(...object({ format: 1, ...content })))
  },
)
