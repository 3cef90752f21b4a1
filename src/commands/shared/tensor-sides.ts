import { existsSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { versionLabel } from '../../repository/format/snapshot.ts'
import { openForReading, type OpenRepository } from '../../repository/open/open.ts'
import { StoredFile } from '../../repository/read/stored-file.ts'
import { parseVersionedPath } from '../../repository/versions/versions.ts'
import type { TensorSide } from '../../tensors/compare-tensors.ts'
import { withFilesBeside } from '../../tensors/files-beside.ts'
import { type LocalSource, openLocalSource } from '../../tensors/local-source.ts'
import { readTensorFile } from '../../tensors/read-tensor-file.ts'
import type { Tensor } from '../../tensors/tensor.ts'
import { findFile, findVersion } from './find-version.ts'
import type { Session } from './session.ts'
import { chooseStore, type Store } from './store.ts'

/** Opens local and stored files with tensors. The store is opened once, when the first stored file is opened. */
export class TensorSides {
  private readonly session: Session
  private readonly local: LocalSource[] = []
  private store: Store | undefined
  private repository: Promise<OpenRepository> | undefined

  constructor(session: Session) {
    this.session = session
  }

  /** `text` is a local path or `name[version]:path`. */
  async open(text: string): Promise<TensorSide> {
    return isStored(text) ? this.openStored(text) : this.openLocal(checkpointIndex(text))
  }

  async openStored(text: string): Promise<TensorSide> {
    const { version, path } = parseVersionedPath(checkpointIndex(text))
    const repository = await (this.repository ??= this.openRepository())
    const snapshot = await findVersion(this.session, repository, version)
    const entry = await findFile(repository, snapshot, path)
    const name = `${versionLabel(snapshot)}:${entry.path}`
    const source = new StoredFile({ ...repository, pool: this.session.pool(entry.size) }, entry, name)
    const side = { name, source, file: await readTensorFile(name, source) }
    return withFilesBeside(side, async file => {
      const found = await findFile(repository, snapshot, posix.join(posix.dirname(entry.path), file))
      return new StoredFile({ ...repository, pool: this.session.pool(found.size) }, found, file)
    })
  }

  private async openLocal(path: string): Promise<TensorSide> {
    const source = await openLocalSource(path)
    this.local.push(source)
    const side = { name: path, source, file: await readTensorFile(path, source) }
    return withFilesBeside(side, async file => {
      const beside = await openLocalSource(join(dirname(path), file))
      this.local.push(beside)
      return beside
    })
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

/** A TensorFlow checkpoint is named by its index, a file with its elements, or what their names have in common. */
function checkpointIndex(path: string): string {
  const index = path.replace(/\.data-\d{5}-of-\d{5}$/, '.index')
  return !existsSync(path) && existsSync(`${path}.index`) ? `${path}.index` : index
}

export function tensorToJson({ name, dtype, shape, count, bytes, sharedWith }: Tensor): object {
  return { name: name.toWellFormed(), dtype, shape, parameters: count, bytes, ...(sharedWith === undefined ? {} : { sharedWith }) }
}
