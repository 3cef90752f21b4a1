import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** Reasons that the program tells apart: texts, and keys of its tables. */
const REASONS = /'([a-z]+(?:[A-Z][a-z]+)+|[A-Z]+(?:_[A-Z]+)+)'|^ {2}([a-z]+(?:[A-Z][a-z]+)+|[A-Z]+(?:_[A-Z]+)+):/gm

test('docs/drive.md names every reason of Drive that the program tells apart', () => {
  const source = readFileSync('src/storage/drive/drive-errors.ts', 'utf8')
  const known = [...source.matchAll(REASONS)].map(([, text, key]) => text ?? key!)
  expect(known).toEqual(expect.arrayContaining(['userRateLimitExceeded', 'storageQuotaExceeded', 'dailyLimitExceeded']))
  const page = readFileSync('docs/drive.md', 'utf8')
  const inAnswers = known.filter(reason => !/^(PERMISSION_DENIED|forbidden)$/.test(reason))
  expect(inAnswers.filter(reason => !page.includes(`\`${reason}\``))).toEqual([])
  const named = [...page.matchAll(/^\| 403 (.*?) \|/gm)].flatMap(([, reasons]) =>
    [...reasons!.matchAll(/`(\w+)`/g)].map(([, reason]) => reason!),
  )
  expect(named.filter(reason => !known.includes(reason))).toEqual([])
})
