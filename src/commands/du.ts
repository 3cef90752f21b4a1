import { measureParts, measureUsage, type PartUsage, type RepositoryUsage } from '../repository/usage.ts'
import { parseVersion } from '../repository/versions.ts'
import { formatBytes, formatCount, formatPercent } from '../ui/format.ts'
import { renderTable, type Column } from '../ui/table.ts'
import { localTime } from './log.ts'
import { findVersion, openRepository } from './open.ts'
import type { Outcome, Session } from './session.ts'

export interface DuOptions {
  by?: 'folder' | 'extension'
}

const OWN = 'own: what nothing else uses, and what goes with it'

const right = (title: string): Column => ({ title, align: 'right' })

/** Where the space goes: by name; by version of one name; by folder or extension of one version. */
export async function duCommand(session: Session, version: string | undefined, options: DuOptions): Promise<Outcome> {
  const repository = await openRepository(session)
  if (version !== undefined && options.by !== undefined) {
    const snapshot = await findVersion(session, repository, parseVersion(version))
    const parts = await measureParts(repository, snapshot, options.by === 'folder' ? folderOf : extensionOf)
    session.console.print(
      renderTable(
        [{ title: options.by }, right('files'), right('size'), right('stored'), right('saved')],
        parts.map(partRow),
        session.console.columns,
      ),
      {
        command: 'du',
        name: snapshot.name,
        version: snapshot.id,
        by: options.by,
        parts,
      },
    )
    return 'done'
  }
  const usage = await measureUsage(repository)
  const quota = await repository.storage.quota({ signal: session.signal })
  const name = version === undefined ? undefined : (await findVersion(session, repository, parseVersion(version))).name
  const human = name === undefined ? describeNames(session, usage) : describeVersions(session, usage, name)
  const free =
    quota.limit === undefined || quota.used === undefined
      ? []
      : [`${repository.storage.location} has ${formatBytes(Math.max(0, quota.limit - quota.used))} of ${formatBytes(quota.limit)} free.`]
  session.console.print([...human, ...free], {
    command: 'du',
    ...machine(usage),
    quota: { used: quota.used ?? null, limit: quota.limit ?? null },
  })
  return 'done'
}

function describeNames(session: Session, { names, objectBytes, unreachedBytes }: RepositoryUsage): string[] {
  const columns = [{ title: 'name' }, right('versions'), right('size'), right('stored'), right('saved'), right('own')]
  const rows = names.map(({ name, versions, plainBytes, storedBytes, ownBytes }) => [
    name,
    formatCount(versions.length),
    formatBytes(plainBytes),
    formatBytes(Math.round(storedBytes)),
    saved(plainBytes, storedBytes),
    formatBytes(Math.round(ownBytes)),
  ])
  const all = `The repository takes ${formatBytes(objectBytes)}`
  const unreached = unreachedBytes >= 1 ? `; ${formatBytes(Math.round(unreachedBytes))} of it no version reaches` : ''
  return [...renderTable(columns, rows, session.console.columns), OWN, `${all}${unreached}.`]
}

function describeVersions(session: Session, { names }: RepositoryUsage, name: string): string[] {
  const columns = [{ title: 'version' }, { title: 'time' }, right('size'), right('stored'), right('saved'), right('own')]
  const versions = names.find(each => each.name === name)?.versions ?? []
  const rows = [...versions]
    .reverse()
    .map(({ snapshot, plainBytes, storedBytes, ownBytes }) => [
      `${name}@${snapshot.id.slice(0, 8)}`,
      localTime(snapshot.time),
      formatBytes(plainBytes),
      formatBytes(Math.round(storedBytes)),
      saved(plainBytes, storedBytes),
      formatBytes(Math.round(ownBytes)),
    ])
  return [...renderTable(columns, rows, session.console.columns), OWN]
}

function partRow({ part, files, plainBytes, storedBytes }: PartUsage): string[] {
  return [part, formatCount(files), formatBytes(plainBytes), formatBytes(Math.round(storedBytes)), saved(plainBytes, storedBytes)]
}

function saved(plain: number, stored: number): string {
  return plain === 0 ? '' : formatPercent(Math.max(0, 1 - stored / plain))
}

const folderOf = (path: string): string => (path.includes('/') ? `${path.slice(0, path.indexOf('/'))}/` : '.')

function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(dot).toLowerCase() : '(none)'
}

function machine({ names, objectBytes, unreachedBytes }: RepositoryUsage): object {
  return {
    objectBytes,
    unreachedBytes: Math.round(unreachedBytes),
    names: names.map(({ name, plainBytes, storedBytes, ownBytes, versions }) => ({
      name,
      plainBytes,
      storedBytes: Math.round(storedBytes),
      ownBytes: Math.round(ownBytes),
      versions: versions.map(({ snapshot, plainBytes, storedBytes, ownBytes }) => ({
        version: snapshot.id,
        time: new Date(snapshot.time).toISOString(),
        plainBytes,
        storedBytes: Math.round(storedBytes),
        ownBytes: Math.round(ownBytes),
      })),
    })),
  }
}
