import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlockLayout, EncodedBlock } from '../../src/compression/block.ts'
import { CompressionPool } from '../../src/compression/pool.ts'
import type { IdTable } from '../../src/repository/id-table.ts'
import type { PackWriter } from '../../src/repository/pack-writer.ts'
import type { Presence } from '../../src/repository/presence.ts'
import { Storing } from '../../src/repository/storing.ts'
import type { RepositoryView } from '../../src/repository/view.ts'
import { walk, type WalkResult } from '../../src/repository/walk.ts'
import { sha256, toHex } from '../../src/util/hash.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { makeTree, seededNoise } from '../helpers/trees.ts'

/** Blocks are their plain bytes: what is compressed how is no part of this. */
export class RawPool extends CompressionPool {
  constructor() {
    super({ workers: 0 })
  }

  override encode(plain: Uint8Array): Promise<EncodedBlock> {
    const parts = [{ codec: 0, storedLength: plain.length, plainLength: plain.length }]
    return Promise.resolve({ filter: 0, parameters: new Uint8Array(0), parts, bytes: plain })
  }

  override decode(_: BlockLayout, stored: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(stored)
  }
}

/** Files and what their chunk may be predicted from. Small ones share blocks. */
const FILES: Record<string, { bytes: number; base?: string }> = {
  a: { bytes: 600 },
  b: { bytes: 600 },
  c: { bytes: 250 },
  d: { bytes: 250 },
  e: { bytes: 250 },
  'a.1': { bytes: 600, base: 'a' },
  'a.2': { bytes: 600, base: 'a.1' },
  'b.1': { bytes: 600, base: 'b' },
}
export const FILE_NAMES = Object.keys(FILES)
export const BLOCK_BYTES = 1600

const contents = new Map(Object.entries(FILES).map(([name, { bytes }], i) => [name, seededNoise(i + 1, bytes)]))
export const chunkOf = new Map([...contents].map(([name, bytes]) => [name, toHex(sha256(bytes))]))
const baseOf = new Map(
  Object.entries(FILES).flatMap(([name, { base }]) =>
    base === undefined ? [] : [[chunkOf.get(name)!, Buffer.from(chunkOf.get(base)!, 'hex')]],
  ),
)

/** What can be pushed: made once, and read by every push. */
export class Sources {
  private readonly folder = mkdtempSync(join(tmpdir(), 'colab-escape-model-'))
  private all: WalkResult | undefined

  async make(): Promise<this> {
    makeTree(this.folder, Object.fromEntries(contents))
    this.all = await walk(this.folder, { reporter: silentReporter })
    return this
  }

  of(names: readonly string[]): WalkResult {
    return { ...this.all!, entries: this.all!.entries.filter(({ path }) => names.includes(path)) }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

interface StoringInside {
  stored: IdTable
  presence: Presence
  writer: PackWriter
  view: RepositoryView
  sink(id: Uint8Array, bytes: Uint8Array): Promise<void> | void
}

/** Lets pushes store the chunks above as predicted ones wherever their bases are at hand, as they do with tensors. */
export function predictChunks(): () => void {
  const inside = Storing.prototype as unknown as StoringInside
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with `this` below
  const plainSink = inside.sink
  if (typeof plainSink !== 'function') throw new TypeError('Storing has no sink any more')
  const depths = new WeakMap<object, Map<string, number>>()
  inside.sink = function (this: StoringInside, id, bytes) {
    const base = baseOf.get(toHex(id))
    if (!base || this.stored.has(id) || this.presence.use(id)) return plainSink.call(this, id, bytes)
    const own = depths.get(this) ?? new Map<string, number>()
    depths.set(this, own)
    let depth: number
    if (this.stored.has(base)) depth = (own.get(toHex(base)) ?? 0) + 1
    else if (this.presence.use(base)) depth = (this.view.index.basesAt(this.view.index.findPresent(base))?.depth ?? 0) + 1
    else return plainSink.call(this, id, bytes)
    this.stored.add(id)
    own.set(toHex(id), depth)
    const parts = [{ codec: 0, storedLength: bytes.length, plainLength: bytes.length }]
    return this.writer.addBlock({
      block: { filter: 2, parameters: Uint8Array.of(4), parts, bytes: bytes.slice() },
      chunkIds: id.slice(),
      chunkLengths: [bytes.length],
      bases: new Map([[0, { depth, ids: [base] }]]),
    })
  }
  return () => (inside.sink = plainSink)
}
