import { existsSync } from 'node:fs'
import { versionLabel } from '../../repository/format/snapshot.ts'
import { openForReading, type OpenRepository } from '../../repository/open/open.ts'
import { StoredFile } from '../../repository/read/stored-file.ts'
import { parseVersionedPath } from '../../repository/versions/versions.ts'
import type { TensorSide } from '../../tensors/compare-tensors.ts'
import { type LocalSource, openLocalSource } from '../../tensors/local-source.ts'
import { readTensorFile } from '../../tensors/read-tensor-file.ts'
import { findFile, findVersion } from '../shared/find-version.ts'
import type { Session } from '../shared/session.ts'
import { chooseStore, type ChosenStore } from '../shared/store.ts'

/** Opens files with tensors, here or in a version; the store is looked for when the first one in a version is asked for, and opened once. */
export class TensorSides {
  private readonly session: Session
  private readonly local: LocalSource[] = []
  private store: ChosenStore | undefined
  private repository: Promise<OpenRepository> | undefined

  constructor(session: Session) {
    this.session = session
  }

  /** `text` is a path here, or `name[version]:path`. */
  async open(text: string): Promise<TensorSide> {
    return isStored(text) ? this.openStored(text) : this.openLocal(text)
  }

  async openStored(text: string): Promise<TensorSide> {
    const { version, path } = parseVersionedPath(text)
    const repository = await (this.repository ??= this.openRepository())
    const snapshot = await findVersion(this.session, repository, version)
    const entry = await findFile(repository, snapshot, path)
    const name = `${versionLabel(snapshot)}:${entry.path}`
    const source = new StoredFile({ ...repository, pool: this.session.pool(entry.size) }, entry, name)
    return { name, source, file: await readTensorFile(name, source) }
  }

  private async openLocal(path: string): Promise<TensorSide> {
    const source = await openLocalSource(path)
    this.local.push(source)
    return { name: path, source, file: await readTensorFile(path, source) }
  }

  private async openRepository(): Promise<OpenRepository> {
    this.store = await chooseStore(this.session)
    return openForReading(this.session.context(this.store.storage, 0))
  }

  /** Those made to the store so far, by kind. */
  requests(): Record<string, number> {
    return this.store?.requests() ?? {}
  }

  async close(): Promise<void> {
    await Promise.all(this.local.map(source => source.close()))
  }
}

/** Names of versions hold no separators, and drives of Windows have one letter. What lies here under just this name is meant as it is written. */
function isStored(text: string): boolean {
  return /^[^/\\:]{2,}:|^[^/\\:]:(?![/\\])/.test(text) && !existsSync(text)
}
