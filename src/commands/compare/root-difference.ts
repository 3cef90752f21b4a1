import { sameMode } from '../../local/attributes.ts'
import type { Difference } from '../../repository/versions/compare-versions.ts'

/**
 * What differs in the folders that are compared themselves: only their modes count, because a push makes a version for
 * nothing else. Undefined: not known.
 */
export function rootDifference(before: number | undefined, after: number | undefined): Difference[] {
  if (before === undefined || after === undefined || sameMode(before, after, 'directory')) return []
  const side = (mode: number) => ({ path: '.', type: 'directory' as const, mode, mtime: 0n })
  return [{ kind: 'touched', path: '.', before: side(before), after: side(after) }]
}
