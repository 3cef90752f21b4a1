import type { Entry } from '../format/manifest.ts'
import { mayHold } from './base-plan.ts'
import { seriesOf } from './file-series.ts'
import { TensorCache } from './tensor-cache.ts'

/** The files of the version before that the cache has, and their keys. */
interface Earlier {
  byPath: Map<string, string>
  /** The last files of each series: one more than keys are asked for, because the file itself may be among them. */
  lastOf: Map<string, { path: string; key: string }[]>
}

const MOST_KEYS = 2

/**
 * Finds files of the version before in the local cache of tensors. Reads the manifest of that version when a file first
 * needs it, and only if the cache is not empty. So a push without tensors never reads it.
 */
export class EarlierFiles {
  private readonly cache: TensorCache | undefined
  private readonly entries: () => AsyncIterable<Entry>
  private earlier: Promise<Earlier> | undefined

  constructor(cache: TensorCache | undefined, entries: () => AsyncIterable<Entry>) {
    this.cache = cache
    this.entries = entries
  }

  /**
   * Keys of the cached tensors of the former file at `path`, and of another file of its series: a training may keep
   * only its last checkpoint.
   */
  async keysFor(path: string): Promise<string[]> {
    this.earlier ??= this.load()
    const { byPath, lastOf } = await this.earlier
    const same = byPath.get(path)
    const others = (lastOf.get(seriesOf(path).series) ?? []).filter(other => other.path !== path).reverse()
    return [...(same === undefined ? [] : [same]), ...others.map(({ key }) => key)].slice(0, MOST_KEYS)
  }

  private async load(): Promise<Earlier> {
    const earlier: Earlier = { byPath: new Map(), lastOf: new Map() }
    const keys = this.cache?.keys()
    if (!keys || keys.size === 0) return earlier
    for await (const { path, ...entry } of this.entries()) {
      if (entry.type !== 'file' || !mayHold(path, entry.size)) continue
      const key = TensorCache.keyOf(entry.chunks)
      if (!keys.has(key)) continue
      earlier.byPath.set(path, key)
      const { series } = seriesOf(path)
      earlier.lastOf.set(series, [...(earlier.lastOf.get(series) ?? []), { path, key }].slice(-MOST_KEYS - 1))
    }
    return earlier
  }
}
