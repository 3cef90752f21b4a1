import { AppError, isAppError } from '../../util/errors.ts'
import type { SnapshotRef } from '../format/object-names.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import { parseBest, rankByMetric } from './metrics.ts'
import { endOfMoment, endOfRelative } from './moments.ts'

/** A listed version: its snapshot, or why that can't be read. */
export interface ReadVersion {
  ref: SnapshotRef
  version: StoredSnapshot | AppError
}

/** What metrics there are, after one that is unknown. */
export function metricsHint(name: string, versions: readonly StoredSnapshot[]): string {
  const known = [...new Set(versions.flatMap(({ metrics }) => Object.keys(metrics)))].sort()
  if (known.length === 0) return 'Give metrics with a push: colab-escape push <path> --metric val_loss=0.31'
  return `${name} has these: ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', ...' : ''}`
}

/** So many digits always mean an id. A tag can be longer: it must not stand for another version than its digits say. */
export const LONG_ID = /^[0-9a-f]{8,64}$/i
const SHORT_ID = /^[0-9a-f]{4,7}$/i
/** Never means anything else, also if there is no such version. */
export const FULL_ID = /^[0-9a-f]{64}$/i
/** Whether `at` has the form of an id, or of the beginning of one, and `id` begins so: "1d" is a time. */
export function isStartOfId(at: string, id: string): boolean {
  return (SHORT_ID.test(at) || LONG_ID.test(at)) && id.startsWith(at.toLowerCase())
}

/** So many digits of the id of a damaged version are known. */
const KNOWN_DIGITS = 16

/** The version whose id begins with `at`, if `at` has the form `digits`. Throws `usage` if there are several. */
export function findById(versions: readonly ReadVersion[], at: string, digits: RegExp): ReadVersion | undefined {
  if (!digits.test(at)) return undefined
  const start = at.toLowerCase()
  const all = versions.filter(({ ref, version }) =>
    isAppError(version) ? ref.shortId.startsWith(start.slice(0, KNOWN_DIGITS)) : version.id.startsWith(start),
  )
  const readable = all.filter(({ version }) => !isAppError(version))
  const found = start.length > KNOWN_DIGITS && readable.length > 0 ? readable : all
  if (found.length > 1)
    throw new AppError('usage', `@${at} is the beginning of ${found.length} ids.`, { hint: 'Write more digits of the id.' })
  return found[0]
}

/**
 * Chooses the newest version with the tag `at`; else the one whose id begins so; else the best by a metric; else the
 * newest at a time. `now` is ms by the store's clock. Throws `usage` if the tag and the id mean different versions.
 */
export function chooseVersion(
  versions: readonly ReadVersion[],
  tags: Map<string, string[]>,
  at: string,
  now: number,
): ReadVersion | undefined {
  const tagged = versions.filter(({ version }) => !isAppError(version) && tags.get(version.id)!.includes(at)).at(-1)
  const byId = findById(versions, at, SHORT_ID)
  if (tagged && byId && tagged !== byId)
    throw new AppError(
      'usage',
      `@${at} is a tag of ${tagged.ref.shortId.slice(0, 8)} and the beginning of the id ${byId.ref.shortId.slice(0, 8)}.`,
      {
        hint: 'Write 8 digits of the id that you mean.',
      },
    )
  if (tagged ?? byId) return tagged ?? byId
  const best = parseBest(at)
  if (best) return rankByMetric([...versions].reverse(), ({ version }) => (isAppError(version) ? {} : version.metrics), best)[0]
  const end = endOfMoment(at) ?? endOfRelative(at, now)
  return end === undefined ? undefined : versions.filter(({ ref }) => ref.effectiveTime <= end).at(-1)
}
