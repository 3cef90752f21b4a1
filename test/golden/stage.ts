import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeBlock, encodeBlock } from '../../src/compression/block.ts'
import type { Level } from '../../src/compression/limits.ts'
import { loadZstd, type ZstdName } from '../../src/compression/load-zstd.ts'
import { CompressionPool } from '../../src/compression/pool.ts'
import { walk } from '../../src/local/walk.ts'
import { TensorCache } from '../../src/repository/bases/tensor-cache.ts'
import { encodeLabel } from '../../src/repository/format/label-and-tomb.ts'
import { labelName } from '../../src/repository/format/object-names.ts'
import { push } from '../../src/repository/push/push.ts'
import type { RepositoryKeys } from '../../src/repository/sealing/keys.ts'
import { SealedStorage } from '../../src/repository/sealing/sealed-storage.ts'
import type { Surroundings } from '../../src/util/clock.ts'
import { toHex } from '../../src/util/hash.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { DatedFolder, type DatedFolderOptions } from './dated-folder.ts'
import { describeTree, makeTree, type ExpectedEntry, type TreeNode } from './trees.ts'

/** What expected.json says of one version. */
export interface ExpectedVersion {
  name: string
  id: string
  tags: string[]
  message: string | null
  /** What was pushed: a folder's entries, or a single file. */
  type: 'directory' | 'file'
  entries: ExpectedEntry[]
}

/** The content of expected.json. */
export interface Expected {
  about: string
  /** What opens an encrypted repository. */
  password?: string
  recoveryCode?: string
  /** Names of all objects of the repository, sorted. */
  objects: string[]
  /** In the order of their making. */
  versions: ExpectedVersion[]
  /** Ids of snapshots that are listed, but must not be offered: late ones of which something is missing. */
  notOffered: string[]
}

export interface StagedPush extends Omit<DatedFolderOptions, 'now'> {
  tree: Readonly<Record<string, TreeNode>>
  /** Pushes this file of the tree instead of the tree itself. */
  only?: string
  level?: Level
  /** Codec to use; 'none' is a machine without zstd, which deflates. */
  zstd?: ZstdName | 'none'
  tags?: string[]
  message?: string
  /** Where tensors are kept for the pushes to come; without it none is predicted from another. */
  cacheFolder?: string
  /** Of an encrypted repository. */
  keys?: RepositoryKeys
}

/** Where one step of a recipe takes place: the repository being made, a clock and a source of nonces of its own. */
export class Stage {
  readonly repository: string
  readonly expected: Expected
  private readonly now: number
  private readonly surroundings: Surroundings

  /** `now` is the store's time in ms; `seed` is what this step's nonces are made from. */
  constructor(repository: string, expected: Expected, now: number, seed: string) {
    let drawn = 0
    const random = (bytes: number): Buffer => createHash('sha256').update(`${seed} ${drawn++}`).digest().subarray(0, bytes)
    this.repository = repository
    this.expected = expected
    this.now = now
    this.surroundings = { now: () => now, monotonic: () => 0, random }
  }

  nonce(): Buffer {
    return Buffer.from(this.surroundings.random(16))
  }

  objects(prefix: string): string[] {
    return readdirSync(this.repository).filter(name => name.startsWith(prefix))
  }

  read(objectName: string): Buffer {
    return readFileSync(join(this.repository, objectName))
  }

  async put(objectName: string, bytes: Uint8Array, keys?: RepositoryKeys): Promise<void> {
    const dated = new DatedFolder(this.repository, { now: this.now })
    await (keys === undefined ? dated : new SealedStorage(dated, keys)).put(objectName, bytes)
  }

  /** Adds and removes tags of a version after the fact. */
  async label(version: ExpectedVersion, add: string[], remove: string[], keys?: RepositoryKeys): Promise<void> {
    const { id, bytes } = encodeLabel({ snapshot: version.id, add, remove }, toHex(this.nonce()))
    await this.put(labelName(id), bytes, keys)
    version.tags = [...version.tags.filter(tag => !remove.includes(tag)), ...add]
  }

  /** Pushes a tree as the next version of `name` and notes what a pull of it must give. */
  async push(name: string, options: StagedPush): Promise<ExpectedVersion> {
    const { tree, only, level = 'balanced', zstd = 'portable', tags = [], message, cacheFolder, keys, ...store } = options
    const folder = mkdtempSync(join(tmpdir(), 'colab-escape-golden-'))
    const pool = zstd === 'none' ? deflatingPool() : new CompressionPool({ workers: 0, prefer: zstd })
    try {
      const root = join(folder, 'tree')
      makeTree(root, tree)
      const source = await walk(only === undefined ? root : join(root, only), { reporter: silentReporter })
      const dated = new DatedFolder(this.repository, { now: this.now, ...store })
      const context = {
        storage: keys === undefined ? dated : new SealedStorage(dated, keys),
        pool,
        surroundings: this.surroundings,
        reporter: silentReporter,
      }
      const { outcome, snapshot } = await push(context, {
        name,
        source: { ...source, root: `/home/ada/${only ?? name}` },
        level,
        cache: undefined,
        bases: cacheFolder === undefined ? undefined : { cache: new TensorCache(cacheFolder, silentReporter, () => 1e11) },
        message,
        tags,
        dryRun: false,
        host: 'golden',
        program: 'colab-escape (golden repositories)',
      })
      if (outcome !== 'stored' || snapshot === undefined) throw new Error(`the push of ${name} made no version: ${outcome}`)
      const version = {
        name,
        id: snapshot.id,
        tags: [...tags],
        message: message ?? null,
        type: source.rootType,
        entries: describeTree(root).filter(({ path }) => only === undefined || path === only),
      }
      this.expected.versions.push(version)
      return version
    } finally {
      await pool.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** What a pool is on a machine where no zstd codec can be had; what others stored it reads with one nevertheless. */
function deflatingPool(): CompressionPool {
  const pool = new CompressionPool({ workers: 0, prefer: 'portable' })
  pool.encode = async (plain, request) => encodeBlock(plain, request, undefined)
  pool.decode = async (layout, stored) => decodeBlock(layout, stored, await loadZstd('portable'))
  return pool
}

export interface Step {
  /** The release of Node.js that it has to run on, where that matters. */
  node?: 20 | 24
  run: (stage: Stage) => Promise<void>
}

/** The beginning of all golden repositories' time; each step takes place two hours after the one before. */
const BEGINNING = Date.UTC(2025, 2, 1, 9, 30)
const STEP_MS = 2 * 60 * 60 * 1000

/** Runs step `number` of a recipe on the repository in `work`/repo and the expectations in `work`/expected.json. */
export async function runStep(name: string, about: string, step: Step, number: number, work: string): Promise<void> {
  const repository = join(work, 'repo')
  const file = join(work, 'expected.json')
  mkdirSync(repository, { recursive: true })
  const expected: Expected =
    number === 0 ? { about, objects: [], versions: [], notOffered: [] } : (JSON.parse(readFileSync(file, 'utf8')) as Expected)
  await step.run(new Stage(repository, expected, BEGINNING + number * STEP_MS, `${name} ${number}`))
  expected.objects = readdirSync(repository).sort()
  writeFileSync(file, `${JSON.stringify(expected, undefined, 1)}\n`)
}
