import { expect, it } from 'vitest'
import { type BlockContent, classifyContent } from '../../../src/repository/write/block-builder.ts'
import { RepeatedTables } from '../../../src/repository/write/repeated-tables.ts'
import { csvLike, textLike } from '../../compression/data.ts'

const CHUNK = 64 * 1024

function contents(...files: Uint8Array[]): BlockContent[][] {
  const tables = new RepeatedTables()
  return files.map(file =>
    Array.from({ length: Math.floor(file.length / CHUNK) }, (_, i) => {
      const chunk = file.subarray(i * CHUNK, (i + 1) * CHUNK)
      return tables.classify(chunk, classifyContent(chunk, false))
    }),
  )
}

/** Rows of one database, as a dialect writes them. */
function dump(quote: string): Uint8Array {
  const words = Buffer.from(textLike(4, 600_000)).toString('latin1').replaceAll(/\s/g, '-')
  const rows = Array.from({ length: 3000 }, (_, i) => {
    const at = i * 200
    return `INSERT INTO ${quote}Track${quote} VALUES (${i}, '${words.slice(at, at + 150)}', ${i % 7}, ${i * i});\n`
  })
  return Buffer.from(rows.join(''))
}

const areTables = (chunks: readonly BlockContent[]): boolean[] => chunks.map(({ table }) => table !== undefined)

it('tables that repeat earlier ones, in another dialect, are no tables', () => {
  const [first, second, third] = contents(dump('"'), dump('`'), dump('|'))
  expect(areTables(first!)).not.toContain(false)
  expect(areTables([...second!, ...third!].slice(0, -1))).not.toContain(true)
})

it('other tables of like rows are', () => {
  const [rows, others] = contents(csvLike(1, 4 * CHUNK), csvLike(2, 4 * CHUNK))
  expect(areTables([...rows!, ...others!])).not.toContain(false)
})

it('what is no table stays what it is', () => {
  const content: BlockContent = { kind: 'compressed' }
  expect(new RepeatedTables().classify(dump('"'), content)).toBe(content)
})
