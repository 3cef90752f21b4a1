import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { cwd } from 'node:process'
import { checkConfig } from '../../repository/format/config.ts'
import { CONFIG_NAME, takeInventory, type Inventory } from '../../repository/format/object-names.ts'
import { plural } from '../../ui/format.ts'
import { renderTable } from '../../ui/table.ts'
import { wrapWords } from '../../ui/wrap.ts'
import { AppError, newerFormat } from '../../util/errors.ts'
import { describeChoice, describeStore, folderSetting, named, ownFolderSetting, type ChosenStore } from '../shared/chosen-store.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { isKeptName, keptLocation, openStore, refuseOthersFiles, storeChoice, type Store } from '../shared/store.ts'
import { readStoresFile, type Section, type StoresFile } from '../shared/stores-file.ts'
import { whyNotWritable } from '../shared/writable.ts'

export interface UseOptions {
  global?: boolean
  name?: string
  unset?: boolean
}

/** What a use is about: a line of the file, and its words for people. */
interface Subject {
  section: Section
  key: string
  text: string
}

/** Chooses a store for this folder or for all, gives one a name, takes that back, or shows which store counts here. */
export async function useCommand(session: Session, given: string | undefined, options: UseOptions): Promise<Outcome> {
  const file = readStoresFile(session.settings.configFolder)
  const subject = subjectOf(options, file)
  if (options.unset === true) return unset(session, file, subject, given)
  if (given !== undefined) return choose(session, file, subject, given)
  if (subject.section !== 'folders')
    throw new AppError('usage', 'No store is given.', { hint: 'Name it, e.g. colab-escape use --name usb /media/usb/repo.' })
  const chosen = await storeChoice(session)
  return report(session, file, [`The store here is ${describeStore(chosen)}, chosen by ${describeChoice(chosen)}.`], chosen, null)
}

function subjectOf({ global: isGlobal = false, name }: UseOptions, file: StoresFile): Subject {
  if (isGlobal && name !== undefined)
    throw new AppError('usage', '--global and --name exclude each other.', {
      hint: 'Name the store first, then use the name: colab-escape use --global usb',
    })
  if (name === undefined)
    return isGlobal
      ? { section: 'default', key: 'default', text: 'all folders without one of their own' }
      : { section: 'folders', key: ownFolderSetting(file)?.key ?? cwd(), text: `${cwd()} and the folders below it` }
  if (isKeptName(name)) return { section: 'stores', key: name, text: name }
  throw new AppError('usage', `${JSON.stringify(name)} can't be the name of a store: it could be a path or a place on Drive.`, {
    hint: 'Choose up to 64 letters, digits and . _ -, beginning with a letter or a digit, e.g. usb.',
  })
}

async function choose(session: Session, file: StoresFile, subject: Subject, given: string): Promise<Outcome> {
  if (session.options.store !== undefined)
    throw new AppError('usage', '`use` takes the store as an argument, not with --store.', {
      hint: `Run: colab-escape use ${session.options.store}`,
    })
  const place = named(given, session.settings.configFolder)
  const location = keptLocation(place.location)
  const store = await openStore(session, location)
  const inventory = await inventoryOf(session, store)
  // a name of a name would have to be followed
  const value = subject.section === 'stores' ? location : (place.name ?? location)
  const changed = file.with(subject.section, subject.key, value)
  await changed.save()
  const { snapshots, empty } = inventory
  const names = new Set(snapshots.map(({ name }) => name)).size
  const holds = empty
    ? 'It holds no repository yet: the first `colab-escape push <path>` creates one.'
    : `It holds a repository with ${plural(snapshots.length, 'version')} of ${plural(names, 'name')}.`
  const shown = describeStore({ location: store.storage.location, name: place.name })
  const chosen = await storeChoice(session).catch(() => undefined)
  const lines = [
    subject.section === 'stores' ? `${subject.key} is now the store ${shown}.` : `The store of ${subject.text} is now ${shown}.`,
    holds,
  ]
  if (subject.section === 'stores') lines.push(`Use it with --store ${subject.key}, or choose it here: colab-escape use ${subject.key}`)
  else warnIfOvertaken(session, subject, chosen)
  const repository = { repository: !empty, versions: snapshots.length }
  return report(session, changed, lines, chosen, { what: WHAT[subject.section], key: subject.key, store: value, ...repository })
}

const WHAT = { default: 'global', folders: 'folder', stores: 'name' } as const

/** What a store holds. Throws if it can't be reached, or if no repository may be made there. */
async function inventoryOf(session: Session, store: Store): Promise<Inventory> {
  const { reporter } = session.console
  const { signal } = session
  reporter.progress({ phase: 'listing' })
  const { storage } = session.showingFlight(store.storage)
  if (store.kind === 'folder' && !existsSync(dirname(store.path)))
    throw new AppError('not-found', `${dirname(store.path)} does not exist, so ${store.path} can't be reached.`, {
      hint: 'Plug in or mount what it is on, or make that folder first.',
    })
  const inventory = takeInventory(await storage.list({ signal }))
  await refuseOthersFiles(store, inventory)
  if (inventory.features.length > 0) throw newerFormat(`The repository in ${storage.location}`)
  if (inventory.hasConfig) checkConfig(await storage.get(CONFIG_NAME, undefined, { signal }), storage.location)
  const unwritable = store.kind === 'folder' ? await whyNotWritable(store.path) : undefined
  if (unwritable === undefined) return inventory
  if (inventory.empty)
    throw new AppError('denied', `${storage.location} holds no repository and can't be written to (${unwritable}).`, {
      hint: 'Fix the permissions of the folder, or choose another place.',
    })
  reporter.warn(`${storage.location} can be read, but not written (${unwritable}): a push there will fail`)
  return inventory
}

/** Tells if another choice counts before the one that was just made. */
function warnIfOvertaken({ console }: Session, { section }: Subject, chosen: ChosenStore | undefined): void {
  if (chosen?.by === 'variable')
    console.reporter.warn(`${describeChoice(chosen)} counts before it: here the store is ${describeStore(chosen)} until you unset that`)
  else if (section === 'default' && chosen?.by === 'folder')
    console.reporter.note(`here the store is ${describeStore(chosen)}, chosen by ${describeChoice(chosen)}`)
}

async function unset(session: Session, file: StoresFile, { section, key, text }: Subject, given: string | undefined): Promise<Outcome> {
  if (given !== undefined)
    throw new AppError('usage', '--unset takes no store.', {
      hint: 'Give --global or --name with it, or run it in the folder whose store it takes back.',
    })
  const old = file.find(section, key)
  if (old === undefined) {
    const above = section === 'folders' ? folderSetting(file) : undefined
    throw new AppError('not-found', section === 'stores' ? `There is no store named ${key}.` : `No store is chosen for ${text}.`, {
      hint: above ? `It is chosen for ${above.key}: run this there.` : '`colab-escape use` shows what counts here.',
    })
  }
  const users = section === 'stores' ? file.settings.filter(each => each.section !== 'stores' && each.value === key) : []
  if (users.length > 0)
    throw new AppError('usage', `The store ${key} is in use, so its name stays.`, {
      hint: 'Choose another store there first, or take that choice back.',
      list: users.map(each => (each.section === 'default' ? 'every folder without a store of its own (--global)' : each.key)),
    })
  const changed = file.with(section, key, undefined)
  await changed.save()
  const chosen = await storeChoice(session).catch(() => undefined)
  const now = chosen
    ? `Here the store is now ${describeStore(chosen)}, chosen by ${describeChoice(chosen)}.`
    : 'No store is chosen here now.'
  const done =
    section === 'stores' ? `The name ${key} is removed. The store itself is untouched.` : `No store is chosen for ${text} any more.`
  return report(session, changed, [done, now], chosen, { what: WHAT[section], key, store: null, repository: null, versions: null })
}

interface Change {
  what: (typeof WHAT)[Section]
  key: string
  store: string | null
  repository: boolean | null
  versions: number | null
}

function report(
  { console }: Session,
  file: StoresFile,
  lines: readonly string[],
  chosen: ChosenStore | undefined,
  changed: Change | null,
): Outcome {
  const stores = file.of('stores')
  const table = renderTable(
    [{ title: 'name' }, { title: 'store' }],
    stores.map(({ key, value }) => [key, value]),
    console.columns,
  )
  const names = changed === null && stores.length > 0 ? table : []
  const machine = {
    command: 'use',
    store: chosen?.location ?? null,
    name: chosen?.name ?? null,
    by: chosen?.by ?? null,
    where: chosen?.where ?? null,
    changed,
    stores: Object.fromEntries(stores.map(({ key, value }) => [key, value])),
    file: file.path,
  }
  const wrapped = lines.flatMap(line => wrapWords(line, console.columns))
  if (changed === null) console.print([...wrapped, ...names], machine)
  else console.result(wrapped, machine)
  return 'done'
}
