import { isEntryName, type Listing, type Storage, type StoredObject } from '../../src/storage/storage.ts'
import type { Trash } from '../../src/storage/trash.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { AppError } from '../../src/util/errors.ts'
import { MINUTE, putOf, short, sumOf, type Actor, type Copy, type World } from './world.ts'

/** The store as one actor reaches it. */
export class ModelStorage implements Storage {
  readonly location = 'the model'
  private readonly world: World
  private readonly actor: Actor
  /** Copies that this machine knows of: only those can it delete. */
  private known = new Set<Copy>()

  constructor(world: World, actor: Actor) {
    this.world = world
    this.actor = actor
  }

  put(name: string, bytes: Uint8Array): Promise<{ created: number }> {
    const { world, actor } = this
    const copyOf = new Uint8Array(bytes)
    return world.call(actor, putOf(name), () => {
      const there = world.living(name).find(copy => !world.sums || this.known.has(copy))
      if (there && !equalBytes(there.bytes, copyOf)) throw new AppError('conflict', `${name} has other bytes`)
      if (there) return { created: there.created }
      const copy: Copy = { name, born: name, bytes: copyOf, created: world.storeTime, deleted: undefined, trashed: false }
      world.copies.push(copy)
      this.known.add(copy)
      world.note(actor, `put ${short(name)}`)
      if (world.duplicates && !world.calm && world.happens(0.1))
        world.copies.push({ ...copy, created: copy.created + Math.floor(world.chance() * MINUTE) })
      world.onEffect('put', name, actor, [copy])
      return { created: copy.created }
    })
  }

  get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    return this.world.call(this.actor, 'get', () => {
      const copy = this.world.living(name)[0]
      if (!copy) throw new AppError('not-found', `there is no ${name}`)
      if (!range) return copy.bytes.slice()
      if (range.offset + range.length > copy.bytes.length) throw new AppError('bad-range', `${name} is shorter`)
      return copy.bytes.slice(range.offset, range.offset + range.length)
    })
  }

  list(): Promise<Listing> {
    const { world, actor } = this
    const asOf = world.storeTime
    return world.call(actor, 'list', () => {
      const shown = world.listing(asOf)
      for (const copy of shown) this.known.add(copy)
      world.note(actor, 'list')
      const first = new Map<string, Copy>()
      for (const copy of shown)
        if (isEntryName(copy.name) && (!first.has(copy.name) || world.isBefore(copy, first.get(copy.name)!))) first.set(copy.name, copy)
      const objects = [...first.values()].map(({ name, bytes, created }) => ({ name, size: bytes.length, created }))
      return { asOf, objects: world.sums ? objects.map(object => ({ ...object, sha256: sumOf(first.get(object.name)!.bytes) })) : objects }
    })
  }

  remove(name: string): Promise<void> {
    const { world, actor } = this
    return world.call(actor, 'remove', () => {
      const copies = [...this.known].filter(copy => copy.name === name && copy.deleted === undefined)
      for (const copy of copies) copy.deleted = world.time
      world.note(actor, `remove ${short(name)}`)
      world.onEffect('remove', name, actor, copies)
    })
  }

  quota(): Promise<{ used: undefined; limit: undefined }> {
    return Promise.resolve({ used: undefined, limit: undefined })
  }
}

/** The trash of the store: people move objects there. */
export function trashOf(world: World, actor: Actor): Trash {
  const trashed = (name?: string): Copy[] =>
    world.copies.filter(copy => copy.trashed && copy.deleted === undefined && (name === undefined || copy.name === name))
  const list = (): Promise<StoredObject[]> =>
    world.call(actor, 'trash', () => trashed().map(({ name, bytes, created }) => ({ name, size: bytes.length, created })))
  const trash = {
    list,
    glance: list,
    putBack: (name: string) =>
      world.call(actor, 'trash', () => {
        for (const copy of trashed(name)) copy.trashed = false
        world.note(actor, `puts back ${short(name)}`)
      }),
    remove: (name: string) =>
      world.call(actor, 'trash', () => {
        const copies = trashed(name)
        for (const copy of copies) copy.deleted = world.time
        world.note(actor, `deletes ${short(name)} from the trash`)
        world.onEffect('remove', name, actor, copies)
      }),
  }
  return trash
}
