import { compareEntries, type Difference, type Entries } from '../../repository/versions/compare-versions.ts'
import { formatCount, plural } from '../../ui/format.ts'

/** How many files changed between two versions. A file that was moved is a removed and a new one. */
export interface Changes {
  changed: number
  added: number
  removed: number
  /** Files and folders that differ only in their mode or time. */
  touched: number
  /** Symlinks that are new, changed or removed. */
  symlinks: number
}

/** Holds one entry of each version at a time. */
export async function countChanges(before: Entries, after: Entries): Promise<Changes> {
  const changes: Changes = { changed: 0, added: 0, removed: 0, touched: 0, symlinks: 0 }
  for await (const difference of compareEntries(before, after)) {
    const types = typesOf(difference)
    if (difference.kind === 'touched') changes.touched++
    else if (types.includes('file')) changes[difference.kind]++
    else if (types.includes('symlink')) changes.symlinks++
  }
  return changes
}

function typesOf(difference: Difference): string[] {
  const before = difference.kind === 'added' ? [] : [difference.before.type]
  return difference.kind === 'removed' ? before : [...before, difference.after.type]
}

/** `3 changed, 1 new, 2 removed files`. */
export function describeChanges({ changed, added, removed, touched, symlinks }: Changes): string {
  const counts = [
    [changed, 'changed'],
    [added, 'new'],
    [removed, 'removed'],
  ] as const
  const parts = counts.filter(([count]) => count > 0)
  const files = parts.map(([count, word]) => `${formatCount(count)} ${word}`).join(', ')
  const links = symlinks > 0 ? [`${plural(symlinks, 'symlink')} changed`] : []
  if (parts.length > 0) return [`${files} ${parts.at(-1)![0] === 1 && parts.length === 1 ? 'file' : 'files'}`, ...links].join(', ')
  if (links.length > 0) return links.join()
  return touched > 0 ? 'only times and modes changed' : 'no file changed'
}

/** `302 files and 2 symlinks`: counts files the same way in every receipt. */
export function countFiles(files: number, symlinks: number): string {
  return symlinks === 0 ? plural(files, 'file') : `${plural(files, 'file')} and ${plural(symlinks, 'symlink')}`
}
