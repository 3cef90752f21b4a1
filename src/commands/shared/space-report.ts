import type { PruneResult } from '../../repository/prune/prune.ts'
import type { TombedPacks } from '../../repository/prune/tombed-packs.ts'
import { localTime } from '../../ui/format.ts'
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

/** Reports how much `prune` will free, and when. */
export function markedText({ bytes, until }: Pick<TombedPacks, 'bytes' | 'until'>): string {
  const from = until === undefined ? '' : ` after ${localTime(until)} (safety delay; --now skips it)`
  return `${formatBytes(bytes)} will be freed by \`colab-escape prune\`${from}.`
}

/** Reports the result of a prune, or of its dry run, and what has to wait until when. */
export function describePruned(result: PruneResult, dryRun: boolean): string[] {
  const { freed, waiting, held, left, spared, copiedBytes } = result
  const lines = [`  ${dryRun ? 'would free' : 'freed'} ${formatBytes(freed.bytes)}`]
  if (copiedBytes > 0)
    lines.push(
      `  ${dryRun ? 'would rewrite about' : 'rewrote'} ${formatBytes(copiedBytes)} that is still needed, to free what lies around it`,
    )
  if (waiting.until !== undefined)
    lines.push(
      `  ${formatBytes(waiting.bytes)} will be freed by the next prune after ${localTime(waiting.until)} (safety delay; --now skips it)`,
    )
  if (left.packs > 0) lines.push(`  ${formatBytes(left.bytes)} stay: only ${left.keepers.join(', ')} can delete them, by running prune`)
  if (held.packs > 0) lines.push(`  ${formatBytes(held.bytes)} will be freed once the copies of what is needed of it are old enough`)
  if (spared.until !== undefined)
    lines.push(`  ${formatBytes(spared.bytes)} belong to no version, but maybe to a running push: kept until ${localTime(spared.until)}`)
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
