import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { namesIn } from '../../local/list-folder.ts'
import { takeInventory } from '../../repository/format/object-names.ts'
import { notedEntries, noteIn } from '../../repository/versions/noted-version.ts'
import { applyLabels, readLabels, readSnapshot } from '../../repository/versions/versions.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Session } from '../shared/session.ts'
import { givenStore } from '../shared/chosen-store.ts'
import { chooseStore, defaultLocations, driveLocation, placeOf } from '../shared/store.ts'

/** The newest versions of a name whose ids and tags are offered. */
const VERSIONS_OFFERED = 50
/** A shell waits for the answer: a large version offers the paths that come first. */
const PATHS_OFFERED = 1000

/**
 * What may follow `written` where a version belongs: names of the store in use; after `name@` its tags and ids; after
 * `name:` or `name@id:` paths of its newest version. A folder on a disk is looked at, Drive is not asked: there the
 * notes of this machine tell what it knew last.
 */
export async function knownNames(session: Session, written: string): Promise<string[]> {
  const [, name = '', at = ''] = /^([^@:~]*)([@:]?)/.exec(written) ?? []
  const storage = await folderInUse(session)
  if (at === '@' && !written.slice(name.length).includes(':'))
    return (await idsAndTags(session, storage, name)).map(each => `${name}@${each}`)
  if (written.includes(':')) return pathsOf(session, written)
  return storage ? [...new Set((await versionsIn(storage)).snapshots.map(ref => ref.name))].sort() : notedNames(session)
}

/** The store in use if it is a folder on a disk. */
async function folderInUse(session: Session): Promise<Storage | undefined> {
  const location = givenStore(session)?.location
  if (location === undefined || placeOf(location) !== undefined) return undefined
  const store = await chooseStore(session)
  return store.kind === 'folder' && !store.mounted && existsSync(store.path) ? store.storage : undefined
}

const versionsIn = async (storage: Storage): Promise<ReturnType<typeof takeInventory>> => takeInventory(await storage.list())

/** Keys of the stores of which the notes count. */
async function keysInUse(session: Session): Promise<string[]> {
  return (await locationsInUse(session)).flatMap(location => session.stores.keysOf(location))
}

async function locationsInUse(session: Session): Promise<string[]> {
  const location = givenStore(session)?.location
  if (location === undefined) return defaultLocations()
  const place = placeOf(location)
  return [place ? driveLocation(place) : (await chooseStore(session)).storage.location]
}

async function notedNames(session: Session): Promise<string[]> {
  const keys = await keysInUse(session)
  const any = session.notedVersionFile('', '')
  if (any === undefined) return []
  const files = (await namesIn(dirname(any)).catch(() => [])).map(file => join(dirname(any), file))
  const noted = await Promise.all(files.map(async file => ({ file, name: (await noteIn(file))?.name })))
  const names = noted.flatMap(({ file, name }) =>
    name !== undefined && keys.some(key => session.notedVersionFileOf(key, name) === file) ? [name] : [],
  )
  return names.sort()
}

/** The note of the newest version of a name in the store in use. */
async function noteOf(session: Session, name: string): Promise<{ file: string; id: string } | undefined> {
  for (const key of await keysInUse(session)) {
    const file = session.notedVersionFileOf(key, name)
    const head = file === undefined ? undefined : await noteIn(file)
    if (file !== undefined && head) return { file, id: head.id }
  }
  return undefined
}

async function idsAndTags(session: Session, storage: Storage | undefined, name: string): Promise<string[]> {
  if (!storage) {
    const note = await noteOf(session, name)
    return note ? [note.id.slice(0, 8)] : []
  }
  const inventory = await versionsIn(storage)
  const refs = inventory.snapshots.filter(ref => ref.name === name).slice(-VERSIONS_OFFERED)
  const read = await Promise.all(refs.map(ref => readSnapshot(storage, ref).catch(() => undefined)))
  const labels = await readLabels(storage, { inventory }, () => undefined)
  const tags = applyLabels(
    read.filter(snapshot => snapshot !== undefined),
    labels,
  )
  return [...new Set([...tags.values()].flat().sort()), ...refs.map(ref => ref.shortId.slice(0, 8)).reverse()]
}

/** Files and folders of the newest version that continue a path by one name. */
async function pathsOf(session: Session, written: string): Promise<string[]> {
  const at = written.lastIndexOf(':') + 1
  const [head, begun] = [written.slice(0, at), written.slice(at)]
  const note = await noteOf(session, /^[^@:~]*/.exec(written)![0])
  if (!note) return []
  const found = new Set<string>()
  const folder = begun.slice(0, begun.lastIndexOf('/') + 1)
  for await (const { path, type } of notedEntries(note.file, note.id)) {
    if (!path.isWellFormed() || !path.startsWith(begun) || path === begun) continue
    const [next, ...below] = path.slice(folder.length).split('/')
    found.add(`${head}${folder}${next!}${below.length > 0 || type === 'directory' ? '/' : ''}`)
    if (found.size >= PATHS_OFFERED) break
  }
  return [...found]
}
