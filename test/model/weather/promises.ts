import type { RetentionPolicy } from '../../../src/repository/versions/retention.ts'
import { sha256Hex } from '../../../src/util/hash.ts'
import { Loss } from '../truth.ts'
import { short, type Copy, type World } from '../world.ts'
import { Physical, type Holdings } from './physical.ts'
import { protectedBy, type Label, type Version } from './versions.ts'

/** What an actor runs now. */
export type Command =
  | { kind: 'push' | 'prune' | 'tag' | 'check' | 'repair' | 'nothing' | 'empty the trash' }
  | { kind: 'forget'; names: readonly string[]; policy: RetentionPolicy; all: boolean }

/** What was promised, and whether the objects in the store still keep it. */
export class Promises {
  readonly physical: Physical
  /** In the order in which they were made. */
  readonly versions: Version[] = []
  private readonly labels: Label[] = []
  /** Chunks of which the weather took a copy while the command ran: no program can know of that in time. */
  private readonly struck = new Set<string>()
  /** Whether the weather has struck anything since the command began. */
  isStruckNow = false
  private readonly world: World
  private held: Record<'anywhere' | 'named', Holdings>
  private command: Command = { kind: 'nothing' }
  /** Object names of versions that a forget may not delete. */
  private protected = new Map<string, string>()

  constructor(world: World) {
    this.world = world
    this.physical = new Physical(world)
    this.held = this.hold()
  }

  private hold(): Promises['held'] {
    return { anywhere: this.physical.holdings('anywhere'), named: this.physical.holdings('named') }
  }

  begin(command: Command): void {
    this.command = command
    this.struck.clear()
    this.isStruckNow = false
    this.held = this.hold()
    this.protected = new Map()
    if (command.kind !== 'forget' || command.all) return
    for (const name of command.names) {
      const seen = this.standing().filter(version => version.name === name && this.physical.isThere(version.objectName, 'seen'))
      for (const [objectName, why] of protectedBy(command.policy, seen, version => this.tagsOf(version)))
        this.protected.set(objectName, why)
    }
  }

  /** Versions that nobody has deleted on purpose, and whose snapshots still exist somewhere. */
  standing(): Version[] {
    return this.versions.filter(({ isForgotten, objectName }) => !isForgotten && this.physical.isThere(objectName, 'anywhere'))
  }

  /** Learns what was put. `files`: chunk ids by path, if it is a snapshot; `isDated`: whether its time is true. */
  learn(copy: Copy, files: ReadonlyMap<string, string>, isDated = this.world.clock === 0): void {
    this.physical.learn(copy)
    const { born, bytes } = copy
    if (born.startsWith('snapshot-') && !this.versions.some(({ objectName }) => objectName === born)) {
      const { name, tags, listed, manifest } = JSON.parse(Buffer.from(bytes).toString()) as SnapshotText
      const made = this.world.time
      const id = sha256Hex(bytes)
      const rest = { files, isDated, isPromised: false, isForgotten: false }
      this.versions.push({ id, objectName: born, name, made, listed, tags, manifest: manifest.chunks, ...rest })
    } else if (born.startsWith('label-') && !this.labels.some(({ objectName }) => objectName === born))
      this.labels.push({ objectName: born, ...(JSON.parse(Buffer.from(bytes).toString()) as Omit<Label, 'objectName'>) })
    this.held = this.hold()
  }

  /** All tags that a version has by the labels there are, also damaged ones. */
  tagsOf({ id, tags }: Version): Set<string> {
    const own = new Set(tags)
    for (const { objectName, snapshot, add, remove } of this.labels) {
      if (snapshot !== id || !this.physical.copies('anywhere', objectName).some(({ trashed }) => !trashed)) continue
      for (const tag of remove) own.delete(tag)
      for (const tag of add) own.add(tag)
    }
    return own
  }

  /** Whether all labels are whole, under their names, or gone. */
  areLabelsSure(): boolean {
    return this.labels.every(({ objectName }) => {
      const there = this.physical.copies('anywhere', objectName).filter(({ trashed }) => !trashed)
      return there.length === 0 || (this.physical.isThere(objectName, 'seen') && there.every(({ name }) => name === objectName))
    })
  }

  /** Notes an object that the weather strikes, before it does. */
  strike({ born }: Copy): void {
    this.isStruckNow = true
    for (const id of this.physical.chunksOf(born)) this.struck.add(id)
  }

  struckNow(): void {
    this.held = this.hold()
  }

  isExcused(chunk: string): boolean {
    return this.struck.size > 0 && [...this.physical.withBases([chunk])].some(id => this.struck.has(id))
  }

  /** Judges a deletion that has just taken effect. */
  removed(copies: readonly Copy[]): void {
    for (const copy of copies) {
      const isLost = this.physical.isIntact(copy) && !this.physical.isThere(copy.born, 'anywhere')
      if (isLost && copy.born.startsWith('snapshot-')) this.forgotten(this.versions.find(({ objectName }) => objectName === copy.born)!)
      if (isLost && copy.born.startsWith('label-')) this.unlabelled(copy.born)
    }
    if (!copies.some(({ born }) => born.startsWith('pack-'))) return
    const before = this.held
    this.held = this.hold()
    // a repair takes a damaged object away before it gives its name to a good one
    const reaches = this.command.kind === 'repair' ? (['anywhere'] as const) : (['anywhere', 'named'] as const)
    for (const { name, objectName, manifest, files } of this.standing())
      for (const chunk of [...manifest, ...files.values()])
        for (const reach of reaches)
          if (before[reach].has(chunk) && !this.held[reach].has(chunk) && !this.isExcused(chunk))
            throw new Loss(
              'chunk',
              `${this.command.kind} deletes the last of ${chunk.slice(0, 8)} (${reach}): ${name}, ${short(objectName)}`,
            )
  }

  private forgotten(version: Version): void {
    const { command } = this
    const { name, objectName, isPromised } = version
    const why = this.protected.get(objectName)
    const isWanted =
      command.kind === 'forget' ? command.names.includes(name) && why === undefined : command.kind === 'push' ? !isPromised : false
    if (!isWanted && command.kind !== 'empty the trash')
      throw new Loss('version', `${command.kind} deletes ${short(objectName)}${why === undefined ? '' : `, which stays: ${why}`}`)
    version.isForgotten = true
  }

  private unlabelled(objectName: string): void {
    if (this.command.kind === 'empty the trash') return
    const { snapshot, add, remove } = this.labels.find(label => label.objectName === objectName)!
    const version = this.standing().find(({ id }) => id === snapshot)
    if (version)
      throw new Loss('tag', `${this.command.kind} deletes ${short(objectName)} (+${add.join()} -${remove.join()}) of ${version.name}`)
  }
}

interface SnapshotText {
  name: string
  listed: number
  tags: string[]
  manifest: { chunks: string[] }
}
