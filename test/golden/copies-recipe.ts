import { seededText } from '../helpers/seeded.ts'
import { pushes } from './pushes.ts'
import type { Step } from './stage.ts'
import type { TreeNode } from './trees.ts'

/** Pages of about 300 bytes. Editions differ in one page of 20, so they have no chunk in common. */
function pages(from: number, count: number, edition: number): string {
  const rest = Buffer.from(seededText(1, 300)).toString('latin1').replaceAll('\n', ' ')
  return Array.from({ length: count }, (_, i) => {
    const page = from + i
    const title = ((page * 7919) % 1_000_003).toString(36)
    return `Page ${title}${page % 20 === 0 ? ` of edition ${edition}` : ''}\n${rest.slice(page % 50)}\n`
  }).join('')
}

const editions = (from: number, count: number, edition: number): string =>
  [edition, edition + 1].map(each => pages(from, count, each)).join('between\n')

export function copySteps(): Step[] {
  // the repeats begin after 4 MiB
  const books = [1, 3].map((edition): Record<string, TreeNode> => ({ 'book.txt': { file: editions(1, 15_000, edition) } }))
  return [pushes('book', books), pushes('notes', [{ 'notes.md': { file: editions(90_000, 1500, 1) } }])]
}
