import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openForReading, type RepositoryContext } from '../../../src/repository/open/open.ts'
import { readSnapshots, readTags } from '../../../src/repository/versions/versions.ts'
import { FolderStorage } from '../../../src/storage/folder.ts'
import { isObjectName, type Storage } from '../../../src/storage/storage.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { RESCUE, type Run } from '../../golden/rescue-runs.ts'
import { describeTree, type ExpectedEntry } from '../../golden/trees.ts'
import { pullVersion } from '../../helpers/in-process.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import type { Mutated } from './mutations.ts'
import type { Chance } from './random-tree.ts'

/** More than the resolution of file times. */
const TICK_MS = 12

/** Writes the files of all `repositories` to folders, those with labels slowly: their ctime is their order. */
export async function writeFolders(repositories: readonly { folder: string; mutated: Mutated }[], chance: Chance): Promise<void> {
  const labels = repositories.map(({ folder, mutated }) => {
    mkdirSync(folder)
    const files = [...mutated.files].sort(([, a], [, b]) => a.created - b.created)
    const write = ([name, { bytes, created }]: (typeof files)[number]): void => {
      writeFileSync(join(folder, name), bytes)
      utimesSync(join(folder, name), created / 1000, created / 1000)
    }
    const isLabel = ({ bytes }: { bytes: Uint8Array }): boolean => Buffer.from(bytes.subarray(0, 300)).includes('"snapshot": ')
    for (const file of files) if (!isLabel(file[1])) write(file)
    const own = files.filter(file => isLabel(file[1]))
    return { write, files: mutated.copied === true ? chance.shuffled(own) : own }
  })
  for (let i = 0; labels.some(({ files }) => i < files.length); i++) {
    for (const { write, files } of labels) if (files[i]) write(files[i]!)
    await delay(TICK_MS)
  }
}

/** The objects of a mutated repository as a store of the program, with the creation times that they had. */
export async function storeOf({ objects, copied }: Mutated, folder: string): Promise<Storage> {
  if (copied === true) return new FolderStorage(folder)
  let now = 0
  const storage = new MemoryStorage({ now: () => now })
  for (const [name, { bytes, created }] of objects) {
    now = created
    if (isObjectName(name)) await storage.put(name, bytes)
  }
  now = Date.now()
  return storage
}

/** What came of restoring a version. Nothing is in `tree` if it was refused. */
export interface Restored {
  tree: ExpectedEntry[]
  refused: boolean
  damaged: boolean
}

export interface ListedVersion {
  id: string
  line: string
}

const escaped = (text: string): string => text.replaceAll('\n', '\\n').replaceAll('\u001b', '\\x1b')

/** The versions as rescue.py would list them, or undefined if the repository is refused. */
export async function listByProgram(context: RepositoryContext): Promise<ListedVersion[] | undefined> {
  try {
    const repository = await openForReading(context)
    const snapshots = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)
    const tags = await readTags(context.storage, repository.view, snapshots)
    return snapshots.map(({ id, name, time, bytes, message = '' }) => {
      const moment = new Date(time).toISOString().replace(/[-:.]/g, '')
      const notes = [...tags.get(id)!.map(tag => `[${tag}]`), message].join(' ').trim()
      return { id, line: escaped([`${name}@${id.slice(0, 12)}`, moment, `${bytes} bytes`, notes].filter(part => part !== '').join('  ')) }
    })
  } catch (error) {
    if (isAppError(error, 'corrupt', 'not-found')) return undefined
    throw error
  }
}

export const REFUSED: Restored = { tree: [], refused: true, damaged: true }

export async function restoreByProgram(context: RepositoryContext, version: string, destination: string): Promise<Restored> {
  try {
    const { damaged } = await pullVersion(context, version, destination)
    return { tree: describeTree(destination), refused: false, damaged: damaged.length > 0 }
  } catch (error) {
    if (isAppError(error, 'corrupt', 'not-found')) return REFUSED
    throw error
  } finally {
    rmSync(destination, { recursive: true, force: true })
  }
}

const BATCH = fileURLToPath(new URL('batch.py', import.meta.url))

/** Runs rescue.py once for each of the lists of arguments, all in one process. */
export async function rescueEach(runs: readonly (readonly string[])[]): Promise<Run[]> {
  const child = spawn('/usr/bin/python3', [BATCH, RESCUE], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(runs))
  return JSON.parse(await text(child.stdout)) as Run[]
}

export function treeOf(destination: string): ExpectedEntry[] {
  if (!existsSync(destination)) return []
  const tree = describeTree(destination)
  rmSync(destination, { recursive: true, force: true })
  return tree
}
