import { durationOption } from '../../util/duration.ts'
import { AppError } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import type { SnapshotRef } from '../format/object-names.ts'
import { rankByMetric, type BestSpec, type Direction } from './metrics.ts'

/** Rules that say which versions of a name stay. A version stays if any rule keeps it. */
export interface RetentionPolicy {
  /** How many of the newest versions stay. */
  last?: number
  /** How many hours, days, weeks (from Monday) and months that have a version keep their newest one, by local time. */
  hourly?: number
  daily?: number
  weekly?: number
  monthly?: number
  /** Versions with one of these tags stay. */
  tags?: readonly string[]
  /** Versions that are at most this old (ms by the store's clock) stay. */
  within?: { ms: number; text: string }
  best?: readonly BestRule[]
}

/** The `count` versions with the smallest or the greatest value of a metric stay; among equal ones the newer. */
export interface BestRule extends BestSpec {
  count: number
}

/** The fields of a version that the rules use. */
export interface RetentionCandidate {
  id: string
  source: { path: string }
  /** Set if some files could not be read. Such a version never takes the place of one that has everything. */
  incomplete?: object | undefined
  ref: Pick<SnapshotRef, 'effectiveTime' | 'shortId'>
  tags: readonly string[]
  metrics: Readonly<Record<string, number>>
}

interface KeptVersion<V> {
  version: V
  /** The rules that keep it, in the words of the options: `last`, `daily 2026-11-25`, `tag best`. */
  reasons: string[]
}

export interface RetentionDecision<V> {
  /** Both lists have the newest version first. */
  kept: KeptVersion<V>[]
  forgotten: V[]
}

export interface DecisionOptions {
  /** The store's clock, ms. */
  now: number
  /** True if the newest version always stays, so that machines with different rules never delete all versions. */
  keepNewest: boolean
}

type Bucket = 'hourly' | 'daily' | 'weekly' | 'monthly'

export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  const { last, hourly, daily, weekly, monthly, tags = [], within, best = [] } = policy
  return [last, hourly, daily, weekly, monthly, within].every(rule => rule === undefined) && tags.length + best.length === 0
}

/**
 * Decides which versions of one name stay. The versions of each source path are a line of their own: the rules hold for
 * each line, so no source pushes out the versions of another one. The same versions, policy and time give the same
 * decision on every machine of one time zone. Time: linear in the number of versions for each rule, but for sorting.
 */
export function decideRetention<V extends RetentionCandidate>(
  versions: readonly V[],
  policy: RetentionPolicy,
  options: DecisionOptions,
): RetentionDecision<V> {
  const newestFirst = [...versions].sort((a, b) => b.ref.effectiveTime - a.ref.effectiveTime || (a.ref.shortId < b.ref.shortId ? 1 : -1))
  const reasons = new Map<V, string[]>(newestFirst.map(version => [version, []]))
  const keep: Keep<V> = (version, reason) => void reasons.get(version)!.push(reason)
  for (const line of groupBy(newestFirst, ({ source }) => source.path).values()) decideLine(line, policy, options, keep)
  return {
    kept: newestFirst.filter(version => reasons.get(version)!.length > 0).map(version => ({ version, reasons: reasons.get(version)! })),
    forgotten: newestFirst.filter(version => reasons.get(version)!.length === 0),
  }
}

/** The source paths of versions, each once. */
export function sourcesOf(versions: readonly Pick<RetentionCandidate, 'source'>[]): string[] {
  return [...new Set(versions.map(({ source }) => source.path))]
}

type Keep<V> = (version: V, reason: string) => void

function decideLine<V extends RetentionCandidate>(
  newestFirst: readonly V[],
  policy: RetentionPolicy,
  { now, keepNewest }: DecisionOptions,
  keep: Keep<V>,
): void {
  if (keepNewest) keep(newestFirst[0]!, 'newest')
  keepLast(newestFirst, policy.last ?? 0, keep)
  for (const bucket of ['hourly', 'daily', 'weekly', 'monthly'] as const) keepBuckets(newestFirst, bucket, policy[bucket] ?? 0, keep)
  for (const tag of policy.tags ?? [])
    for (const version of newestFirst.filter(({ tags }) => tags.includes(tag))) keep(version, `tag ${tag}`)
  const { within } = policy
  if (within)
    for (const version of newestFirst.filter(({ ref }) => ref.effectiveTime >= now - within.ms)) keep(version, `within ${within.text}`)
  for (const rule of policy.best ?? []) {
    const ranked = rankByMetric(newestFirst, ({ metrics }) => metrics, rule)
    const chosen = [...ranked.filter(isComplete), ...ranked.filter(version => !isComplete(version))].slice(0, rule.count)
    for (const version of chosen) keep(version, `best ${rule.metric} ${version.metrics[rule.metric]}`)
  }
}

const isComplete = ({ incomplete }: RetentionCandidate): boolean => incomplete === undefined

/** Keeps the newest `count` complete versions, and the incomplete ones that are newer than the last of these. */
function keepLast<V extends RetentionCandidate>(newestFirst: readonly V[], count: number, keep: Keep<V>): void {
  let complete = 0
  for (const version of newestFirst) {
    if (complete >= count) return
    keep(version, 'last')
    if (isComplete(version)) complete++
  }
}

/**
 * Keeps the newest complete version of each of `count` units of the calendar. A unit that has only incomplete versions
 * keeps the newest of them, and does not count.
 */
function keepBuckets<V extends RetentionCandidate>(newestFirst: readonly V[], bucket: Bucket, count: number, keep: Keep<V>): void {
  const units = new Map<string, { label: string; best: V }>()
  for (const version of newestFirst) {
    const { key, label } = bucketOf(bucket, version.ref.effectiveTime)
    const best = units.get(key)?.best
    if (best === undefined || (!isComplete(best) && isComplete(version))) units.set(key, { label, best: version })
  }
  let complete = 0
  for (const { label, best } of units.values()) {
    if (complete >= count) return
    keep(best, `${bucket} ${label}`)
    if (isComplete(best)) complete++
  }
}

const two = (value: number): string => String(value).padStart(2, '0')
const day = (date: Date): string => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`

/** Names the calendar unit of a time in this machine's time zone. An hour that comes twice counts as two hours. */
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

/** Parses `METRIC:N` and `max:METRIC:N`. A metric's own name may hold colons. */
export function parseBestRule(text: string): BestRule {
  const parts = /^(?:(min|max):)?(.+):(\d{1,6})$/.exec(text)
  if (!parts || Number(parts[3]) === 0)
    throw new AppError('usage', `--keep-best ${text} needs a metric and a count.`, {
      hint: 'Write --keep-best val_loss:2 for the two smallest, --keep-best max:acc:2 for the two greatest.',
    })
  return { metric: parts[2]!, direction: (parts[1] as Direction | undefined) ?? 'min', count: Number(parts[3]) }
}

/** Parses the value of `--keep-within`: any duration but zero. */
export function parseWithin(text: string): { ms: number; text: string } {
  const ms = durationOption('--keep-within', text)
  if (ms === 0) throw new AppError('usage', `--keep-within ${text} keeps nothing.`, { hint: 'Use a longer duration, e.g. 36h or 14d.' })
  return { ms, text }
}
