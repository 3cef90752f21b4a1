import { rmSync } from 'node:fs'
import type { RepositoryContext } from '../../../src/repository/open/open.ts'
import type { PushRequest, PushResult } from '../../../src/repository/push/push.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { withFolder } from '../folders.ts'
import { contextOf, pullVersion, pushFolder } from '../in-process.ts'
import { MemoryStorage } from '../storage/memory.ts'
import { makeTree, type TreeNode } from '../trees.ts'
import { recordingReporter, surroundings } from './test-store.ts'

export const HOUR = 3_600_000
export const DAY = 24 * HOUR

/** A repository in memory with a clock of its own, and what other programs do to it. */
export class DamagedStore {
  readonly clock = { ms: Date.UTC(2026, 10, 22, 12) }
  memory = new MemoryStorage({ now: () => this.clock.ms, location: 'the store' })
  private readonly around = surroundings(this.clock)
  private readonly folder: string
  private readonly recorded = recordingReporter()

  constructor(folder: string) {
    this.folder = folder
  }

  get notes(): readonly string[] {
    return this.recorded.notes
  }

  get warnings(): readonly string[] {
    return this.recorded.warnings
  }

  context(storage: Storage = this.memory): RepositoryContext {
    return contextOf(storage, { surroundings: this.around, reporter: this.recorded.reporter })
  }

  /** Pushes these files as the next version of `name`, a minute after the last one. */
  async push(name: string, tree: Record<string, TreeNode>, more: Partial<PushRequest> = {}): Promise<PushResult> {
    this.clock.ms += 60_000
    const source = `${this.folder}/${name}`
    rmSync(source, { recursive: true, force: true })
    makeTree(source, tree)
    return pushFolder(this.context(), source, name, more)
  }

  /** Pulls a version. Returns the paths of the files that could not be restored. */
  async pull(version: string, into = `${this.folder}/out`, storage: Storage = this.memory): Promise<string[]> {
    rmSync(into, { recursive: true, force: true })
    const { damaged } = await pullVersion(this.context(storage), version, into)
    return damaged.map(({ path }) => path).sort()
  }

  names(prefix = ''): string[] {
    return this.memory
      .all()
      .map(([name]) => name)
      .filter(name => name.startsWith(prefix))
      .sort()
  }

  /** The only object whose name begins so. */
  only(prefix: string): string {
    const names = this.names(prefix)
    if (names.length !== 1) throw new Error(`${names.length} objects begin with ${prefix}: ${names.join(', ')}`)
    return names[0]!
  }

  bytesOf(name: string): Uint8Array {
    const found = this.memory.all().find(([other]) => other === name)
    if (!found) throw new Error(`${name} is not there`)
    return found[1]
  }

  /** Flips a bit; the object keeps its size and its time. */
  flip(name: string, at = 100): void {
    const [, bytes, created] = this.memory.all().find(([other]) => other === name)!
    bytes[at]! ^= 1
    this.memory.plant(name, bytes, created)
  }

  /** Renames an object as a sync client does, which makes it new. */
  async rename(name: string, to: string): Promise<void> {
    this.memory.plant(to, this.bytesOf(name))
    await this.memory.remove(name)
  }

  /** Replaces the store by a copy of it, object by object in this order, a second each. */
  copy(order: (names: string[]) => string[] = names => names): void {
    const old = this.memory
    this.memory = new MemoryStorage({ now: () => this.clock.ms, location: 'the copy' })
    const objects = new Map(old.all().map(([name, bytes]) => [name, bytes]))
    for (const name of order([...objects.keys()])) {
      this.clock.ms += 1000
      this.memory.plant(name, objects.get(name)!)
    }
  }

  /** Names and bytes of all objects, for a comparison. */
  state(): Record<string, string> {
    return Object.fromEntries(this.memory.all().map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]))
  }
}

export const withDamagedStore = (run: (store: DamagedStore) => Promise<void>): Promise<void> =>
  withFolder(folder => run(new DamagedStore(folder)))
