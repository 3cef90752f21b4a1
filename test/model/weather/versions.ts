import type { RetentionPolicy } from '../../../src/repository/versions/retention.ts'

/** A version that was made, by a push or by somebody who adds objects. */
export interface Version {
  id: string
  objectName: string
  name: string
  /** When it was made, in truth. */
  made: number
  /** As in the snapshot. */
  listed: number
  /** Whether its own time is true: the store's clock was right. */
  isDated: boolean
  /** As in the snapshot. */
  tags: readonly string[]
  /** Chunk ids. */
  manifest: readonly string[]
  /** Chunk ids by path. */
  files: ReadonlyMap<string, string>
  /** A push has reported success. */
  isPromised: boolean
  /** A person has deleted it on purpose. */
  isForgotten: boolean
}

export interface Label {
  objectName: string
  snapshot: string
  add: readonly string[]
  remove: readonly string[]
}

/** The object names of versions of one name, in the order of their making, that a policy keeps for sure; and why. */
export function protectedBy(
  policy: RetentionPolicy,
  versions: readonly Version[],
  tagsOf: (version: Version) => ReadonlySet<string>,
): Map<string, string> {
  const kept = new Map<string, string>()
  const newestFirst = [...versions].reverse()
  for (const [i, version] of newestFirst.entries()) {
    if (i < Math.max(1, policy.last ?? 0)) kept.set(version.objectName, `last ${policy.last ?? ''}`)
    const tag = (policy.tags ?? []).find(tag => tagsOf(version).has(tag))
    if (tag !== undefined) kept.set(version.objectName, `tag ${tag}`)
  }
  // versions made under a wrong clock may fall into any day
  const undated = newestFirst.filter(({ isDated }) => !isDated).length
  const days = new Set<string>()
  for (const [i, version] of newestFirst.entries()) {
    const day = new Date(version.made).toDateString()
    if (!version.isDated || days.has(day)) continue
    days.add(day)
    if (days.size > (policy.daily ?? 0) - undated) break
    const isSure = newestFirst[i - 1]?.isDated !== false && new Date(version.listed).toDateString() === day
    if (isSure) kept.set(version.objectName, `daily ${day}`)
  }
  return kept
}
