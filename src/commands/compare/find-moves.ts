import { contentId } from '../../repository/versions/content.ts'
import type { Difference } from '../../repository/versions/compare-versions.ts'

/**
 * Pairs files that are removed with files that are added and have the same content, first those of the same name.
 * Returns the old paths by the new ones. Empty files are left out, because they all have the same content. Time and
 * memory: linear in the differences.
 */
export function findMoves(found: readonly Difference[]): Map<string, string> {
  const moves = new Map<string, string>()
  const taken = new Set<string>()
  const removed = found.flatMap(each => fileOf(each, 'removed'))
  const added = found.flatMap(each => fileOf(each, 'added'))
  if (removed.length === 0 || added.length === 0) return moves
  for (const keyOf of [
    ({ path, content }: MovedFile) => `${content} ${path.slice(path.lastIndexOf('/') + 1)}`,
    ({ content }: MovedFile) => content,
  ]) {
    const left = new Map<string, string[]>()
    for (const file of removed.toReversed())
      if (!taken.has(file.path)) {
        const paths = left.get(keyOf(file))
        if (paths) paths.push(file.path)
        else left.set(keyOf(file), [file.path])
      }
    for (const file of added) {
      const from = moves.has(file.path) ? undefined : left.get(keyOf(file))?.pop()
      if (from === undefined) continue
      moves.set(file.path, from)
      taken.add(from)
    }
  }
  return moves
}

interface MovedFile {
  path: string
  content: string
}

function fileOf(each: Difference, kind: 'added' | 'removed'): MovedFile[] {
  const entry = each.kind !== kind ? undefined : each.kind === 'added' ? each.after : each.kind === 'removed' ? each.before : undefined
  return entry?.type === 'file' && entry.size > 0 ? [{ path: entry.path, content: contentId(entry.chunks) }] : []
}
