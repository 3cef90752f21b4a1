import { basename, resolve } from 'node:path'
import { compareEntries, type Difference } from '../repository/compare.ts'
import { loadKnownVersion, saveKnownVersion, type KnownVersion } from '../repository/known-version.ts'
import { readLocalEntries } from '../repository/local-entries.ts'
import { readManifest } from '../repository/manifest-reader.ts'
import { checkName } from '../repository/object-names.ts'
import { newestSnapshot } from '../repository/versions.ts'
import { formatBytes, formatDuration } from '../ui/format.ts'
import { iterate, showDifferences } from './diff.ts'
import { openRepository } from './open.ts'
import type { Outcome, Session } from './session.ts'
import { chooseStore } from './store.ts'

export interface StatusOptions {
  name?: string
  exclude?: string[]
  refresh?: boolean
}

/** What a push of `path` would send: the folder compared with the newest version of its name, by what this machine knows of it, else by asking the store. */
export async function statusCommand(session: Session, path: string | undefined, options: StatusOptions): Promise<Outcome> {
  const { console, signal } = session
  const local = path ?? '.'
  const name = checkName(options.name ?? basename(resolve(local)))
  const { source, reading } = await readLocalEntries(
    local,
    options.exclude ?? [],
    root => session.openCache(root),
    console.reporter,
    signal,
  )
  const { version, asked } = await newestVersion(session, name, options.refresh === true)
  const found: Difference[] = []
  for await (const each of compareEntries(iterate(version?.entries ?? []), iterate(reading.entries))) found.push(each)
  const toSend = found.reduce(
    (sum, each) => sum + (each.kind !== 'removed' && each.kind !== 'touched' && each.after.type === 'file' ? each.after.size : 0),
    0,
  )
  const compared =
    version === undefined
      ? `${name} has no version yet`
      : `compared with ${name}@${version.id.slice(0, 8)}${asked ? '' : `, known for ${formatDuration(Date.now() - version.knownSince)} (--refresh asks the store)`}`
  const machine = { command: 'status', name, version: version?.id ?? null, asked, bytesOfChangedFiles: toSend }
  showDifferences(session, found, machine, `Nothing to push: ${source.root} equals the newest version.`)
  console.print([`${compared}; changed files have ${formatBytes(toSend)}`], {})
  return source.failed + reading.failedFiles.length > 0 ? 'partly' : 'done'
}

async function newestVersion(
  session: Session,
  name: string,
  refresh: boolean,
): Promise<{ version: KnownVersion | undefined; asked: boolean }> {
  const { reporter } = session.console
  const { storage } = await chooseStore(session)
  const file = session.knownVersionFile(storage.location, name)
  const known = refresh ? undefined : await loadKnownVersion(file, reporter)
  if (known) return { version: known, asked: false }
  const repository = await openRepository(session)
  const snapshot = await newestSnapshot(repository, repository.view, name)
  if (!snapshot) return { version: undefined, asked: true }
  const version: KnownVersion = { id: snapshot.id, name, time: snapshot.time, knownSince: Date.now(), entries: [] }
  for await (const entry of readManifest(repository, snapshot)) version.entries.push(entry)
  await saveKnownVersion(file, version, reporter)
  return { version, asked: true }
}
