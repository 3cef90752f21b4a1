import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { WalkedEntry } from '../../../src/local/walk.ts'
import { pairsTogether } from '../../../src/repository/source/pair-order.ts'
import { readingOrder } from '../../../src/repository/source/reading-order.ts'
import { withFolder } from '../../helpers/folders.ts'
import { seededRandom } from '../../helpers/seeded.ts'

const STEMS = 80
const random = seededRandom(1)
const prose = (length: number): string => Array.from({ length }, () => Math.floor(random() * 5000).toString(36)).join(' ')

/** Writes files and returns them in reading order. */
function write(root: string, contents: Record<string, string>): WalkedEntry[] {
  const entries = Object.entries(contents).map(([path, content]) => {
    writeFileSync(join(root, path), content)
    return { path, type: 'file', localPath: join(root, path), fingerprint: { size: content.length } } as WalkedEntry
  })
  return readingOrder(entries)
}

const pathsOf = (files: readonly WalkedEntry[]): string[] => files.map(({ path }) => path)
const isNew = (): boolean => true

/** Stems with these extensions, each made from the stem's own text. */
function stems(extensions: Record<string, (text: string, stem: number) => string>, count = STEMS): Record<string, string> {
  const contents: Record<string, string> = {}
  for (let stem = 0; stem < count; stem++) {
    const text = prose(2500)
    for (const [extension, make] of Object.entries(extensions)) contents[`m${100 + stem}.${extension}`] = make(text, stem)
  }
  return contents
}

describe('small files that differ in their extensions only', () => {
  const mail = { txt: (text: string) => text, json: (text: string, id: number) => JSON.stringify({ id, text }) }

  test('come together if they hold the same', () =>
    withFolder(async root => {
      const files = write(root, { ...stems({ ...mail, html: text => `<p>${text}` }), 'other.txt': 'a', 'another.bin': 'b' })
      const order = pathsOf(pairsTogether(files, isNew))
      expect(order.slice(0, 5)).toEqual(['another.bin', 'm100.html', 'm100.json', 'm100.txt', 'm101.html'])
      expect(order.at(-1)).toBe('other.txt')
      expect(order.toSorted()).toEqual(pathsOf(files).toSorted())
    }))

  test('stay with their own kind if they do not', () =>
    withFolder(async root => {
      const files = write(root, stems({ txt: text => text, log: () => prose(2500) }))
      expect(pairsTogether(files, isNew)).toBe(files)
    }))

  test('are not even read if few are new, if they are large, or if one block holds them all', () => {
    const listed = (count: number, size: number): WalkedEntry[] =>
      readingOrder(
        Array.from({ length: count }, (_, i) => ['txt', 'json'].map(extension => `${i}.${extension}`))
          .flat()
          .map(path => ({ path, type: 'file', localPath: '/nowhere', fingerprint: { size } }) as WalkedEntry),
      )
    for (const files of [listed(20, 60_000), listed(STEMS, 100_000), listed(STEMS, 100)]) expect(pairsTogether(files, isNew)).toBe(files)
    const known = listed(STEMS, 20_000)
    expect(pairsTogether(known, ({ path }) => path.endsWith('txt'))).toBe(known)
  })

  test('stay as they are if they vanish meanwhile', () =>
    withFolder(async root => {
      const files = write(root, stems(mail)).map(file => ({ ...file, localPath: `${file.localPath}.gone` }))
      expect(pairsTogether(files, isNew)).toBe(files)
    }))
})
