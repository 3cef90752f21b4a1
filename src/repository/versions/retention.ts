import { durationOption } from '../../util/duration.ts'
import { AppError } from '../../util/errors.ts'
import type { SnapshotRef } from '../format/object-names.ts'
import { rankByMetric, type BestSpec, type Direction } from './metrics.ts'

/** Which versions of a name stay. A version that any rule keeps stays. */
export interface RetentionPolicy {
  /** The newest so many. */
  last?: number
  /** How many hours, days, weeks (from Monday) and months that have a version keep their newest one, by local time. */
  hourly?: number
  daily?: number
  weekly?: number
  monthly?: number
  /** Those that bear one of these tags. */
  tags?: readonly string[]
  /** Those not older than this (ms) by the store's clock. */
  within?: { ms: number; text: string }
  best?: readonly BestRule[]
}

/** The so many versions with the smallest or the greatest value of a metric; of equal ones the newer. */
export interface BestRule extends BestSpec {
  count: number
}

/** What a decision rests on. */
export interface RetainedVersion {
  id: string
  ref: Pick<SnapshotRef, 'time' | 'shortId'>
  tags: readonly string[]
  metrics: Readonly<Record<string, number>>
}

interface Kept<V> {
  version: V
  /** In the words of the options, e.g. `last`, `daily 2026-11-25`, `tag best`. Never empty. */
  reasons: string[]
}

export interface Decision<V> {
  /** Newest first, both. */
  kept: Kept<V>[]
  forgotten: V[]
}

export interface DecisionOptions {
  /** The store's clock, ms. */
  now: number
  /**
   * Keeps the newest version whatever the rules say: so two machines with different rules never leave a name without
   * versions.
   */
  keepNewest: boolean
}

type Bucket = 'hourly' | 'daily' | 'weekly' | 'monthly'

export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  const { last, hourly, daily, weekly, monthly, tags = [], within, best = [] } = policy
  return [last, hourly, daily, weekly, monthly, within].every(rule => rule === undefined) && tags.length + best.length === 0
}

/**
 * Decides about all versions of one name. Pure: the same versions, policy and time give the same answer on every
 * machine of one time zone.
 */
export function decideRetention<V extends RetainedVersion>(
  versions: readonly V[],
  policy: RetentionPolicy,
  options: DecisionOptions,
): Decision<V> {
  const newestFirst = [...versions].sort((a, b) => b.ref.time - a.ref.time || (a.ref.shortId < b.ref.shortId ? 1 : -1))
  const reasons = new Map<V, string[]>(newestFirst.map(version => [version, []]))
  const keep = (version: V, reason: string): void => void reasons.get(version)!.push(reason)

  if (options.keepNewest && newestFirst[0]) keep(newestFirst[0], 'newest')
  for (const version of newestFirst.slice(0, policy.last ?? 0)) keep(version, 'last')
  for (const bucket of ['hourly', 'daily', 'weekly', 'monthly'] as const) keepBuckets(newestFirst, bucket, policy[bucket] ?? 0, keep)
  for (const tag of policy.tags ?? [])
    for (const version of newestFirst.filter(({ tags }) => tags.includes(tag))) keep(version, `tag ${tag}`)
  const { within } = policy
  if (within)
    for (const version of newestFirst.filter(({ ref }) => ref.time >= options.now - within.ms)) keep(version, `within ${within.text}`)
  for (const rule of policy.best ?? [])
    for (const version of rankByMetric(newestFirst, ({ metrics }) => metrics, rule).slice(0, rule.count))
      keep(version, `best ${rule.metric} ${version.metrics[rule.metric]}`)

  return {
    kept: newestFirst.filter(version => reasons.get(version)!.length > 0).map(version => ({ version, reasons: reasons.get(version)! })),
    forgotten: newestFirst.filter(version => reasons.get(version)!.length === 0),
  }
}

function keepBuckets<V extends RetainedVersion>(
  newestFirst: readonly V[],
  bucket: Bucket,
  count: number,
  keep: (version: V, reason: string) => void,
): void {
  const seen = new Set<string>()
  for (const version of newestFirst) {
    const { key, label } = bucketOf(bucket, version.ref.time)
    if (seen.has(key)) continue
    if (seen.size >= count) return
    seen.add(key)
    keep(version, `${bucket} ${label}`)
  }
}

const two = (value: number): string => String(value).padStart(2, '0')
const day = (date: Date): string => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`

/** Calendar units of this machine's time zone. Where clocks are set back an hour comes twice: those are two hours. */
function bucketOf(bucket: Bucket, time: number): { key: string; label: string } {
  const date = new Date(time)
  const label = labelOf(bucket, date)
  return { key: bucket === 'hourly' ? `${label} ${date.getTimezoneOffset()}` : label, label }
}

function labelOf(bucket: Bucket, date: Date): string {
  if (bucket === 'hourly') return `${day(date)} ${two(date.getHours())}:00`
  if (bucket === 'daily') return day(date)
  if (bucket === 'monthly') return day(date).slice(0, 7)
  const sinceMonday = (date.getDay() + 6) % 7
  return day(new Date(date.getFullYear(), date.getMonth(), date.getDate() - sinceMonday))
}

/** `METRIC:N` or `max:METRIC:N`; a metric's own name may hold colons. */
export function parseBestRule(text: string): BestRule {
  const parts = /^(?:(min|max):)?(.+):(\d{1,6})$/.exec(text)
  if (!parts || Number(parts[3]) === 0)
    throw new AppError('usage', `--keep-best ${text} names no metric and number.`, {
      hint: 'Write --keep-best val_loss:2 for the two smallest, --keep-best max:acc:2 for the two greatest.',
    })
  return { metric: parts[2]!, direction: (parts[1] as Direction | undefined) ?? 'min', count: Number(parts[3]) }
}

/** The value of `--keep-within`: any duration but zero. */
export function parseWithin(text: string): { ms: number; text: string } {
  const ms = durationOption('--keep-within', text)
  if (ms === 0) throw new AppError('usage', `--keep-within ${text} keeps nothing.`, { hint: 'Use a longer duration, e.g. 36h or 14d.' })
  return { ms, text }
}
