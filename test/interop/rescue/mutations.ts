import { decodeIndex, encodeIndex } from '../../../src/repository/format/index-object.ts'
import { indexName, packName } from '../../../src/repository/format/object-names.ts'
import { encodeSnapshot, type Snapshot } from '../../../src/repository/format/snapshot.ts'
import { sha256, sha256Hex } from '../../../src/util/hash.ts'
import type { ExpectedEntry } from '../../golden/trees.ts'
import type { Objects, RandomRepository, RepositoryObject } from './random-repository.ts'
import type { Chance } from './random-tree.ts'
import { readSnapshot } from '../../helpers/repository/read-snapshot.ts'

/** What has become of a repository. */
export interface Mutated {
  /** The files that rescue.py finds. */
  files: Map<string, RepositoryObject>
  /** The objects that the program reads: the same, unless it is given what a person can make of the files. */
  objects: Objects
  pushed: Map<string, ExpectedEntry[]>
  /** Set if nothing is lost, so rescue.py restores everything. */
  whole?: boolean
  /** Set if rescue.py may restore more than the program does. */
  more?: boolean
  /** Set if the files were copied in a random order, so that nobody knows when they were created. */
  copied?: boolean
  /** Set if the times of snapshots are not those of their pushes. */
  absurd?: boolean
}

export type Mutation = (repository: RandomRepository, chance: Chance) => Mutated

/** Names of all objects but the config. */
const namesIn = (objects: Objects, prefix = ''): string[] =>
  [...objects.keys()].filter(name => name !== 'config.json' && name.startsWith(prefix))

function changed({ objects, pushed }: RandomRepository, more: Partial<Mutated>, change: (files: Mutated['files']) => void): Mutated {
  const files = new Map(objects)
  change(files)
  return { files, objects: files, pushed, ...more }
}

/** Changes the bytes of one object, or removes it. */
function damaging(change: (bytes: Uint8Array, chance: Chance) => Uint8Array | undefined, prefix = ''): Mutation {
  return (repository, chance) =>
    changed(repository, {}, files => {
      const names = namesIn(files, prefix)
      if (names.length === 0) return
      const name = chance.pick(names)
      const bytes = change(files.get(name)!.bytes, chance)
      if (bytes) files.set(name, { ...files.get(name)!, bytes })
      else files.delete(name)
    })
}

const flipped = (bytes: Uint8Array, chance: Chance): Uint8Array => {
  const at = chance.below(bytes.length)
  return bytes.map((byte, i) => (i === at ? byte ^ (1 << chance.below(8)) : byte))
}

const cutShort = (bytes: Uint8Array, chance: Chance): Uint8Array => bytes.subarray(0, chance.below(bytes.length))

/** What programs that copy and synchronise files make of a name. */
function renamed(name: string, chance: Chance): string {
  const [, base, end] = /^(.+?)(\.json)?$/.exec(name) as unknown as [string, string, string | undefined]
  const json = end ?? ''
  return chance.pick([
    `${base} (1)${json}`,
    `Copy of ${name}`,
    `${name}.tmp`,
    `${base} - Copy (2)${json}`,
    `${base} (conflicted copy 2026-01-02)${json}`,
    `${base}.sync-conflict-20260102-101010-ABCDEFG${json}`,
    `.${name}.Xy12Ab`,
    `${name}~`,
    `${base}\u001b[31m\n${json}`,
    name.toUpperCase(),
    `download-${chance.below(1e9)}`,
  ])
}

function someOf(names: readonly string[], chance: Chance): string[] {
  return chance.shuffled(names).slice(0, 1 + chance.below(names.length))
}

function lie(bytes: Uint8Array, id: string, chance: Chance): { id: string; bytes: Uint8Array } {
  const { packs, supersedes } = decodeIndex(bytes, id)
  const directories = packs.map(({ directoryBytes }) => directoryBytes.slice())
  const lies = packs.length > 1 && chance.happens(0.5) ? directories.reverse() : directories.map(directory => flipped(directory, chance))
  const lying = packs.map((pack, i) => ({ id: pack.id, size: pack.size, directoryBytes: lies[i]! }))
  return encodeIndex({ packs: lying, supersedes }, sha256(bytes).subarray(0, 16))
}

interface Read {
  name: string
  object: RepositoryObject
  snapshot: Snapshot
}

/** Gives some versions another time. Their ids change, and with these the parents of those after them. */
function timed(repository: RandomRepository, timeOf: (snapshot: Snapshot, last: number) => number): Mutated {
  const pushed = new Map<string, ExpectedEntry[]>()
  const mutated = changed(repository, { more: true, absurd: true }, files => {
    const ids = new Map<string, string>()
    let last = 0
    const read = namesIn(files, 'snapshot-').map((name): Read => {
      const object = files.get(name)!
      return { name, object, snapshot: readSnapshot(object.bytes) }
    })
    for (const { name, object, snapshot } of read.sort((a, b) => a.object.created - b.object.created)) {
      const time = (last = timeOf(snapshot, last))
      const made = encodeSnapshot({ ...snapshot, time, parent: ids.get(snapshot.parent ?? '') ?? snapshot.parent })
      const id = sha256Hex(object.bytes)
      ids.set(id, made.id)
      pushed.set(made.id, repository.pushed.get(id)!)
      files.delete(name)
      files.set(made.objectName, { ...object, bytes: made.bytes })
    }
  })
  return { ...mutated, pushed }
}

const YEAR_9999 = Date.UTC(9999, 11, 31, 23, 59)
const YEAR_2099 = Date.UTC(2099, 11, 31)

export const mutations: Record<string, Mutation> = {
  nothing: repository => changed(repository, { whole: true }, () => undefined),

  'a flipped bit': damaging(flipped),
  'a flipped bit in a pack': damaging(flipped, 'pack-'),
  'an object cut short': damaging(cutShort),
  'a pack cut short': damaging(cutShort, 'pack-'),
  'a deleted object': damaging(() => undefined),
  'a deleted pack': damaging(() => undefined, 'pack-'),
  'a damaged label': damaging(flipped, 'label-'),
  'a damaged tomb': damaging(flipped, 'tomb-'),

  'all indexes gone': repository =>
    changed(repository, { whole: true }, files => namesIn(files, 'index-').forEach(name => files.delete(name))),

  'a damaged config': (repository, chance) =>
    changed(repository, { whole: true, more: true }, files =>
      files.set('config.json', { created: 0, bytes: chance.happens(0.5) ? new Uint8Array(0) : Buffer.from('{') }),
    ),

  'two kinds of damage': (repository, chance) => {
    const kinds = [damaging(flipped, 'pack-'), damaging(() => undefined, 'index-'), damaging(cutShort, 'pack-'), damaging(flipped)]
    const first = chance.pick(kinds)(repository, chance)
    return chance.pick(kinds)({ objects: first.files, pushed: first.pushed }, chance)
  },

  'objects with a second name': (repository, chance) => ({
    ...changed(repository, { whole: true }, files => {
      for (const name of someOf(namesIn(files), chance)) files.set(renamed(name, chance), files.get(name)!)
    }),
    objects: repository.objects,
  }),

  'renamed objects': (repository, chance) => ({
    ...changed(repository, { whole: true }, files => {
      for (const name of someOf(namesIn(files), chance)) {
        const object = files.get(name)!
        files.delete(name)
        files.set(renamed(name, chance), object)
      }
    }),
    objects: repository.objects,
  }),

  'a damaged object with a good copy': (repository, chance) => ({
    ...changed(repository, { whole: true }, files => {
      const name = chance.pick(namesIn(files))
      const object = files.get(name)!
      files.set(renamed(name, chance), object)
      files.set(name, { ...object, bytes: chance.pick([flipped, cutShort])(object.bytes, chance) })
    }),
    objects: repository.objects,
  }),

  'packs under each other’s names': (repository, chance) =>
    changed(repository, { whole: true, more: true }, files => {
      const names = chance.shuffled(namesIn(files, 'pack-')).slice(0, 2)
      const objects = names.map(name => files.get(name)!)
      names.forEach((name, i) => files.set(name, objects[names.length - 1 - i]!))
    }),

  'an index that lies': (repository, chance) =>
    changed(repository, { whole: true, more: true }, files => {
      const name = chance.pick(namesIn(files, 'index-'))
      const object = files.get(name)!
      const { id, bytes } = lie(object.bytes, name.slice('index-'.length), chance)
      files.delete(name)
      files.set(indexName(id), { ...object, bytes })
    }),

  'a pack without blocks of its own': repository =>
    changed(repository, { whole: true }, files => {
      const bytes = Buffer.from('this is no pack')
      files.set(packName(sha256Hex(bytes)), { created: 0, bytes })
    }),

  'copied in a random order': repository => changed(repository, { whole: true, copied: true }, () => undefined),

  'copied, and a pack lost': (repository, chance) => ({
    ...damaging(() => undefined, 'pack-')(repository, chance),
    copied: true,
    more: true,
  }),

  'a clock in the year 2099': (repository, chance) => {
    const from = 1 + chance.below(3)
    let number = 0
    return timed(repository, ({ time }, last) => (++number < from ? time : Math.max(YEAR_2099, last + 1)))
  },

  'absurd times': (repository, chance) =>
    timed(repository, ({ time }) => (chance.happens(0.5) ? chance.pick([YEAR_2099, YEAR_9999]) : time)),
}
