import { existsSync } from 'node:fs'
import { basename, dirname, join, posix } from 'node:path'
import type { Entry, FileEntry } from '../../repository/format/manifest.ts'
import { type StoredSnapshot, versionLabel } from '../../repository/format/snapshot.ts'
import { openForReading, type OpenRepository } from '../../repository/open/open.ts'
import { findEntry } from '../../repository/read/read-manifest.ts'
import { StoredFile } from '../../repository/read/stored-file.ts'
import { parseVersionedPath } from '../../repository/versions/versions.ts'
import type { TensorSide } from '../../tensors/compare-tensors.ts'
import { withFilesBeside } from '../../tensors/files-beside.ts'
import { isLocalFolder, localFolder, type LocalSource, openLocalSource } from '../../tensors/local-source.ts'
import { isModelFile, isShardIndex, type ModelFolder, openModelFolder, openShardIndex } from '../../tensors/model-folder.ts'
import { readTensorFile } from '../../tensors/read-tensor-file.ts'
import type { Tensor } from '../../tensors/tensor.ts'
import { plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import { filesRightIn, findNamed, findFile, findVersion } from './find-version.ts'
import type { Session } from './session.ts'
import { chooseStore, type Store } from './store.ts'

/** What a SavedModel of TensorFlow has: its program, and the index of its checkpoint. */
const SAVED_MODEL = ['saved_model.pb', 'variables/variables.index'] as const
/** Maximum number of missing shards that a warning names. */
const MAX_LISTED = 5

/** Opens local and stored files with tensors. The store is opened once, when the first stored file is opened. */
export class TensorSides {
  private readonly session: Session
  private readonly local: LocalSource[] = []
  private store: Store | undefined
  private repository: Promise<OpenRepository> | undefined

  constructor(session: Session) {
    this.session = session
  }

  /** `text` is a local path or `name[version]:path`: a file, the index of a sharded model, or a folder with a model. */
  async open(text: string): Promise<TensorSide> {
    return isStored(text) ? this.openStored(text) : this.openLocal(checkpointIndex(text))
  }

  /** A stored file with tensors, the index of a sharded model, or a folder with a model. */
  async openStored(text: string): Promise<TensorSide> {
    const { version, path } = parseVersionedPath(checkpointIndex(text))
    const repository = await (this.repository ??= this.openRepository())
    const snapshot = await findVersion(this.session, repository, version)
    const folderPath = path.replace(/^\.?\/+|\/+$/g, '')
    // the path of a whole version is in no entry
    const isWhole = folderPath === '' && snapshot.source.type !== 'file'
    const named = isWhole ? undefined : await findModel(repository, snapshot, folderPath)
    const isFolder = named === undefined || named.type === 'directory'
    const entry = isFolder ? await findSavedModel(repository, snapshot, folderPath) : named
    if (entry === undefined) return this.warned(await openModelFolder(await this.storedFolder(repository, snapshot, folderPath)))
    if (isShardIndex(entry.path)) {
      const folder = await this.storedFolder(repository, snapshot, posix.join(entry.path, '..').replace(/^\.$/, ''))
      return this.warned(await openShardIndex(folder, posix.basename(entry.path)))
    }
    const { name, source } = this.storedFile(
      repository,
      snapshot,
      entry.type === 'file' ? entry : await findFile(repository, snapshot, entry.path),
    )
    const side = { name, source, file: await readTensorFile(name, source) }
    return withFilesBeside(side, async file => {
      const found = await findFile(repository, snapshot, posix.join(posix.dirname(entry.path), file))
      return this.storedFile(repository, snapshot, found).source
    })
  }

  private async storedFolder(repository: OpenRepository, snapshot: StoredSnapshot, path: string): Promise<ModelFolder> {
    const files = await filesRightIn(repository, snapshot, path, isModelFile)
    const name = `${versionLabel(snapshot)}:${path}`
    const open = async (file: string): Promise<{ name: string; source: StoredFile }> => {
      const entry = files.get(file)
      if (entry !== undefined) return this.storedFile(repository, snapshot, entry)
      throw new AppError('not-found', `${file} is not in ${name}.`, {
        hint: `List what is there: colab-escape ls ${versionLabel(snapshot)}`,
      })
    }
    return { name, files: [...files.keys()], open }
  }

  private storedFile(repository: OpenRepository, snapshot: StoredSnapshot, entry: FileEntry): { name: string; source: StoredFile } {
    const name = `${versionLabel(snapshot)}:${entry.path}`
    return { name, source: new StoredFile({ ...repository, pool: this.session.pool(entry.size) }, entry, name) }
  }

  private async openLocal(path: string): Promise<TensorSide> {
    const opened = (source: LocalSource): void => void this.local.push(source)
    if (await isLocalFolder(path)) {
      if (SAVED_MODEL.every(file => existsSync(join(path, file)))) return this.openLocal(join(path, SAVED_MODEL[1]))
      return this.warned(await openModelFolder(await localFolder(path, opened)))
    }
    if (isShardIndex(path)) return this.warned(await openShardIndex(await localFolder(dirname(path), opened), basename(path)))
    const source = await openLocalSource(path)
    opened(source)
    const side = { name: path, source, file: await readTensorFile(path, source) }
    return withFilesBeside(side, async file => {
      const beside = await openLocalSource(join(dirname(path), file))
      opened(beside)
      return beside
    })
  }

  /** The model, after a warning about the shards that are not there. */
  private warned(side: TensorSide): TensorSide {
    const { missing = [] } = side.shards ?? {}
    if (missing.length > 0)
      this.session.console.reporter.warn(
        `${side.name} lacks ${plural(missing.length, 'shard')}: ${missing.slice(0, MAX_LISTED).join(', ')}${missing.length > MAX_LISTED ? ', ...' : ''}`,
      )
    return side
  }

  private async openRepository(): Promise<OpenRepository> {
    this.store = await chooseStore(this.session)
    return openForReading(this.session.context(this.store.storage, 0))
  }

  /** Requests to the store so far, by kind. */
  requests(): Record<string, number> {
    return this.store?.requests() ?? {}
  }

  async close(): Promise<void> {
    await Promise.all(this.local.map(source => source.close()))
  }
}

/**
 * Names of versions contain no separators, and drives on Windows have one letter. An existing local file of this name
 * takes precedence.
 */
function isStored(text: string): boolean {
  return /^[^/\\:]{2,}:|^[^/\\:]:(?![/\\])/.test(text) && !existsSync(text)
}

/** An entry of a version by its path. That of a TensorFlow checkpoint may lack the `.index`. */
async function findModel(repository: OpenRepository, snapshot: StoredSnapshot, path: string): Promise<Entry> {
  const found =
    path === '' ? undefined : ((await findEntry(repository, snapshot, path)) ?? (await findEntry(repository, snapshot, `${path}.index`)))
  return found ?? findNamed(repository, snapshot, path)
}

/** The checkpoint of a folder of a version, if it is a SavedModel. */
async function findSavedModel(repository: OpenRepository, snapshot: StoredSnapshot, folder: string): Promise<Entry | undefined> {
  let found: Entry | undefined
  for (const file of SAVED_MODEL) {
    found = await findEntry(repository, snapshot, posix.join(folder, file))
    if (found === undefined) return undefined
  }
  return found
}

/** A TensorFlow checkpoint is named by its index, a file with its elements, or what their names have in common. */
function checkpointIndex(path: string): string {
  const index = path.replace(/\.data-\d{5}-of-\d{5}$/, '.index')
  return !existsSync(path) && existsSync(`${path}.index`) ? `${path}.index` : index
}

export function tensorToJson({ name, dtype, shape, count, bytes, sharedWith, unread }: Tensor): object {
  return {
    name: name.toWellFormed(),
    dtype,
    shape,
    parameters: count,
    bytes,
    ...(sharedWith === undefined ? {} : { sharedWith: sharedWith.toWellFormed() }),
    ...(unread === undefined ? {} : { unread }),
  }
}
