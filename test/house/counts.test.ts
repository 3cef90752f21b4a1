import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ByteReader } from '../../src/util/bytes.ts'
import { asSentence, plural } from '../../src/util/words.ts'

const SRC = join(import.meta.dirname, '../../src')

/** A count that is put into words without `plural`. */
const OWN_WORDS = /=== 1 \? (?:'(?:s|)' : '(?:s|)'|['`](?:1|One) )/

test('counts are put into words by plural alone, which knows what one is', () => {
  const files = (readdirSync(SRC, { recursive: true }) as string[]).filter(name => name.endsWith('.ts') && !name.endsWith('words.ts'))
  expect(files.length).toBeGreaterThan(200)
  expect(files.filter(name => OWN_WORDS.test(readFileSync(join(SRC, name), 'utf8')))).toEqual([])
  expect([1, 2, 12_345].map(count => plural(count, 'entry is', 'entries are'))).toEqual([
    '1 entry is',
    '2 entries are',
    '12,345 entries are',
  ])
  expect(() => new ByteReader(Buffer.from('x'), 'X').take(2)).toThrow('it ends 1 byte too early')
})

test('a text that another sentence follows ends as one', () => {
  expect(['no permission', 'Done.', 'Why?'].map(asSentence)).toEqual(['no permission.', 'Done.', 'Why?'])
})
