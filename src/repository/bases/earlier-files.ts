import type { Entry } from '../format/manifest.ts'
import { mayHold } from './base-plan.ts'
import { seriesOf } from './file-series.ts'
import { TensorCache } from './tensor-cache.ts'

interface Earlier {
  path: string
  key: string
}

/**
 * Finds files of the version before in the local cache of tensors. Reads the manifest of that version when a file first
 * needs it, and only if the cache is not empty. So a push without tensors never reads it.
 */
export class EarlierFiles {
  private readonly cache: TensorCache | undefined
  private readonly entries: () => AsyncIterable<Entry>
  private bySeries: Promise<Map<string, Earlier[]>> | undefined

  constructor(cache: TensorCache | undefined, entries: () => AsyncIterable<Entry>) {
    this.cache = cache
    this.entries = entries
  }

  /**
   * Keys of the cached tensors of the former file at `path`, and of another file of its series: a training may keep
   * only its last checkpoint.
   */
  async keysFor(path: string): Promise<string[]> {
    this.bySeries ??= this.load()
    const members = (await this.bySeries).get(seriesOf(path).series) ?? []
    const same = members.filter(member => member.path === path)
    return [...same, ...members.filter(member => member.path !== path).reverse()].slice(0, 2).map(({ key }) => key)
  }

  private async load(): Promise<Map<string, Earlier[]>> {
    const bySeries = new Map<string, Earlier[]>()
    const keys = this.cache?.keys()
    if (!keys || keys.size === 0) return bySeries
    for await (const entry of this.entries()) {
      if (entry.type !== 'file' || !mayHold(entry.path, entry.size)) continue
      const key = TensorCache.keyOf(entry.chunks)
      if (!keys.has(key)) continue
      const { series } = seriesOf(entry.path)
      const members = bySeries.get(series)
      if (members) members.push({ path: entry.path, key })
      else bySeries.set(series, [{ path: entry.path, key }])
    }
    return bySeries
  }
}
