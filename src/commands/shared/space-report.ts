import type { Amount, PruneResult } from '../../repository/prune/prune.ts'
import type { TombedPacks } from '../../repository/prune/tombed-packs.ts'
import { formatCount, plural, localTime } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { Store } from './store.ts'

/** A mount delays writes and lists stale content, so the rules that make deletion safe do not hold there. */
export function refuseMounted(store: Store): void {
  if (store.kind !== 'folder' || !store.mounted) return
  throw new AppError('usage', `${store.path} is on a mounted Drive: data can't be deleted safely through it.`, {
    hint: 'Use Drive itself: --store drive:Some/Folder with the same path in My Drive.',
  })
}

const bytesOf = ({ packs, bytes }: Amount): string => `${formatBytes(bytes)} (${plural(packs, 'pack')})`

/** Reports how much `prune` will free, and when. */
export function markedText({ packs, bytes, until }: TombedPacks): string {
  const from = until === undefined ? '' : ` after ${localTime(until)}`
  return `Marked for deletion: ${formatBytes(bytes)} (${plural(packs, 'pack')}). \`colab-escape prune\` frees it${from}.`
}

/** Reports the result of a prune, or of its dry run, and what has to wait until when. */
export function describePruned(result: PruneResult, dryRun: boolean): string[] {
  const { freed, marked, waiting, held, left, spared, copiedBytes, tombs, indexes } = result
  const lines = [`  ${dryRun ? 'would free' : 'freed'} ${bytesOf(freed)}`]
  if (marked.packs > 0) lines.push(`  ${dryRun ? 'would mark' : 'marked'} ${bytesOf(marked)} for deletion`)
  if (copiedBytes > 0)
    lines.push(`  ${dryRun ? 'would rewrite about' : 'rewrote'} ${formatBytes(copiedBytes)} that is still needed from packs to delete`)
  if (waiting.until !== undefined)
    lines.push(`  ${bytesOf(waiting)} wait until ${localTime(waiting.until)} in case another machine uses them; then run prune again`)
  if (left.packs > 0) lines.push(`  ${bytesOf(left)} stay: only ${left.keepers.join(', ')} can delete them, by running prune`)
  if (held.packs > 0) lines.push(`  ${bytesOf(held)} wait until the copies of their data are old enough`)
  if (spared.until !== undefined)
    lines.push(`  ${bytesOf(spared)} belong to no version, but maybe to a running push: kept until ${localTime(spared.until)}`)
  const rest = [
    [tombs, 'tomb', 'tombs'],
    [indexes, 'old index', 'old indexes'],
  ] as const
  const removed = rest.flatMap(([count, one, many]) => (count === 0 ? [] : [`${formatCount(count)} ${count === 1 ? one : many}`]))
  if (removed.length > 0) lines.push(`  removed ${removed.join(', ')}`)
  return lines
}

const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())

export function pruneToJson(result: PruneResult): object {
  const { waiting, spared } = result
  return {
    ...result,
    lateSnapshots: 0,
    waiting: { ...waiting, until: time(waiting.until) },
    spared: { ...spared, until: time(spared.until) },
  }
}
