import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { decodeBlock, encodeBlock } from '../../../src/compression/block.ts'
import { MAX_BLOCK_BYTES } from '../../../src/compression/limits.ts'
import { loadZstd } from '../../../src/compression/load-zstd.ts'
import { CompressionPool } from '../../../src/compression/pool.ts'
import { walk } from '../../../src/local/walk.ts'
import { TensorCache } from '../../../src/repository/bases/tensor-cache.ts'
import { encodeLabel } from '../../../src/repository/format/label-and-tomb.ts'
import { labelName } from '../../../src/repository/format/object-names.ts'
import { PACK_POLICY } from '../../../src/repository/format/limits.ts'
import type { RepositoryContext } from '../../../src/repository/open/open.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import { push } from '../../../src/repository/push/push.ts'
import type { Surroundings } from '../../../src/util/clock.ts'
import { toHex } from '../../../src/util/hash.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { describeTree, makeTree, type ExpectedEntry } from '../../golden/trees.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { Chance, RandomTree } from './random-tree.ts'

export interface RepositoryObject {
  bytes: Uint8Array
  created: number
}

/** The objects of a repository by their names. */
export type Objects = ReadonlyMap<string, RepositoryObject>

export interface RandomRepository {
  objects: Objects
  /** What was pushed, by the ids of the versions that are left. */
  pushed: Map<string, ExpectedEntry[]>
}

const HOUR = 3_600_000
const NAMES = ['data', 'größe 100%', 'a b', '-x', 'deadbeef', 'model.v2']
const TAGS = ['best', 'größer', 'v1.0', 'a tag', 'draft']
const MESSAGES = ['first', 'two\nlines', 'esc \u001b[31m', '']

/** A repository that some weeks of pushing, tagging and forgetting have made; the same one for the same seed. */
export async function randomRepository(seed: number, work: string): Promise<RandomRepository> {
  const making = new Making(seed, work)
  try {
    return await making.run()
  } finally {
    await making.context.pool.close()
  }
}

class Making {
  readonly context: RepositoryContext
  private readonly chance: Chance
  private readonly work: string
  private readonly storage: MemoryStorage
  private readonly surroundings: Surroundings
  /** The store's time; all of it lies in the past. */
  private now = Date.UTC(2026, 0, 5, 9)
  private readonly pushed = new Map<string, ExpectedEntry[]>()

  constructor(seed: number, work: string) {
    this.chance = new Chance(seed)
    this.work = work
    this.storage = new MemoryStorage({ now: () => this.now++ })
    let drawn = 0
    this.surroundings = {
      now: () => this.now,
      monotonic: () => this.now,
      random: bytes => createHash('sha256').update(`${seed} ${drawn++}`).digest().subarray(0, bytes),
    }
    const small = this.chance.happens(0.5)
    this.context = {
      storage: this.storage,
      pool: this.chance.happens(0.3) ? deflatingPool() : new CompressionPool({ workers: 0, prefer: 'portable' }),
      surroundings: this.surroundings,
      reporter: silentReporter,
      packPolicy: small ? { ...PACK_POLICY, firstBytes: 40_000, bytes: 90_000 } : undefined,
    }
  }

  async run(): Promise<RandomRepository> {
    const { chance } = this
    const names = chance.shuffled(NAMES).slice(0, 1 + chance.below(2))
    const trees = new Map(names.map(name => [name, new RandomTree(chance)]))
    for (let left = 2 + chance.below(5); left > 0; left--) {
      this.now += HOUR * (1 + chance.below(30))
      const name = chance.pick(names)
      await this.push(name, trees.get(name)!)
      trees.get(name)!.change()
      for (let tags = chance.below(3); tags > 0 && this.pushed.size > 0; tags--) await this.label()
      if (chance.happens(0.3)) await this.clean(name)
    }
    return { objects: await this.taken(), pushed: this.pushed }
  }

  private async push(name: string, { tree }: RandomTree): Promise<void> {
    const { chance, context } = this
    const root = join(this.work, 'tree')
    makeTree(root, tree)
    try {
      const source = await walk(root, { reporter: silentReporter })
      const { snapshot, outcome } = await push(context, {
        name,
        source: { ...source, root: `/home/ada/${name}` },
        level: 'balanced',
        blockBytes: chance.pick([270_000, MAX_BLOCK_BYTES]),
        cache: undefined,
        bases: { cache: new TensorCache(join(this.work, 'cache'), silentReporter, () => 1e11) },
        message: chance.pick([undefined, ...MESSAGES]),
        tags: chance.shuffled(TAGS).slice(0, chance.below(3)),
        dryRun: false,
        host: 'a host',
        program: 'a test',
      })
      if (outcome === 'stored') this.pushed.set(snapshot!.id, describeTree(root))
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }

  /** Tags may be added twice, and removed where they are not. */
  private async label(): Promise<void> {
    const { chance } = this
    const [add, remove] = [0, 1].map(() => chance.shuffled(TAGS).slice(0, chance.below(3))) as [string[], string[]]
    const label = encodeLabel({ snapshot: chance.pick([...this.pushed.keys()]), add, remove }, toHex(this.surroundings.random(16)))
    await this.storage.put(labelName(label.id), label.bytes)
  }

  private async clean(name: string): Promise<void> {
    const request = { waits: SAFE_GRACE_PERIODS, dryRun: false }
    const { names } = await forget(this.context, { names: [name], policy: { last: 1 + this.chance.below(3) }, all: false, ...request })
    for (const { id } of names.flatMap(({ decision }) => decision.forgotten)) this.pushed.delete(id)
    for (let left = this.chance.below(3); left > 0; left--) {
      this.now += 30 * HOUR
      await prune(this.context, await openForPrune(this.context), request)
    }
  }

  private async taken(): Promise<Objects> {
    const { objects } = await this.storage.list()
    const taken = objects.map(async ({ name, created }) => [name, { bytes: await this.storage.get(name), created }] as const)
    return new Map(await Promise.all(taken))
  }
}

/** What a pool is on a machine without zstd: it deflates. */
function deflatingPool(): CompressionPool {
  const pool = new CompressionPool({ workers: 0, prefer: 'portable' })
  pool.encode = async (plain, request) => encodeBlock(plain, request, undefined)
  pool.decode = async (layout, stored, base, lengths) => decodeBlock(layout, stored, await loadZstd('portable'), base, lengths)
  return pool
}
