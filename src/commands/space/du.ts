import { versionLabel } from '../../repository/format/snapshot.ts'
import { openForReading, type OpenRepository } from '../../repository/open/open.ts'
import { findTrashedObjects } from '../../repository/prune/empty-trash.ts'
import { countTombedPacks } from '../../repository/prune/tombed-packs.ts'
import { kindOfChunk } from '../../repository/usage/file-kinds.ts'
import { measureGroups } from '../../repository/usage/usage-by-group.ts'
import { measureUsage, type RepositoryUsage, type Usage } from '../../repository/usage/usage.ts'
import { parseVersion } from '../../repository/versions/versions.ts'
import { formatCount, localTime } from '../../ui/format.ts'
import { renderTable, right } from '../../ui/table.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { findVersion } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { markedText } from '../shared/space-report.ts'
import { chooseStore } from '../shared/store.ts'
import { describeTrash } from '../shared/trash-report.ts'
import { savingsToJson, sizesToJson, partsTable, savedShare, SIZES, sizesCells, sizesLegend, withBars } from './sizes-table.ts'

export interface DuOptions {
  by?: 'folder' | 'extension' | 'kind'
}

const OWN = 'own: data that nothing else uses; it is freed when this is deleted'
const PART_OF = { folder: folderOf, extension: extensionOf, kind: kindOfChunk }

/** Shows what takes space: by name; by version of one name; by folder, extension or kind of one version. */
export async function duCommand(session: Session, version: string | undefined, options: DuOptions): Promise<Outcome> {
  if (version === undefined && options.by !== undefined)
    throw new AppError('usage', '--by needs a version to split.', {
      hint: `Use e.g. colab-escape du <name> --by ${options.by}`,
    })
  const store = await chooseStore(session)
  const repository = await openForReading(session.context(store.storage, 0))
  if (version !== undefined && options.by !== undefined) {
    const snapshot = await findVersion(session, repository, parseVersion(version))
    const parts = await measureGroups(repository, snapshot, PART_OF[options.by])
    session.console.print(partsTable(options.by, parts, session.console.columns), {
      command: 'du',
      name: snapshot.name,
      version: snapshot.id,
      by: options.by,
      parts: parts.map(part => ({ part: part.group, files: part.files, ...sizesToJson(part) })),
    })
    return 'done'
  }
  const usage = await measureUsage(repository)
  const quota = await repository.storage.quota({ signal: session.signal })
  const name = version === undefined ? undefined : (await findVersion(session, repository, parseVersion(version))).name
  const marked = countTombedPacks(repository.view)
  const trashed = await findTrashedObjects(session.trash, { signal: session.signal })
  const waiting = [...(marked.packs === 0 ? [] : [markedText(marked)]), ...(trashed.objects === 0 ? [] : [describeTrash(trashed)])]
  const human = name === undefined ? [...describeNames(session, usage), ...waiting] : describeVersions(session, usage, name)
  const free = describeQuota(repository.storage.location, quota, usage.objectBytes)
  session.console.print([...human, ...free], {
    command: 'du',
    ...repositoryToJson(usage),
    marked: { ...marked, until: marked.until === undefined ? null : new Date(marked.until).toISOString() },
    trash: trashed,
    quota: { used: quota.used ?? null, limit: quota.limit ?? null, inDrive: quota.inDrive ?? null, inTrash: quota.inTrash ?? null },
  })
  return 'done'
}

function describeNames(session: Session, { names, saved, objectBytes, unreachedBytes }: RepositoryUsage): string[] {
  const columns = [{ title: 'name' }, right('versions'), ...SIZES, right('saved'), right('own')]
  const largestFirst = [...names].sort((a, b) => b.ownBytes - a.ownBytes)
  const rows = largestFirst.map(usage => [
    usage.name,
    formatCount(usage.versions.length),
    ...sizesCells(usage),
    savedShare(usage),
    formatBytes(Math.round(usage.ownBytes)),
  ])
  const all = `The repository takes ${formatBytes(objectBytes)}`
  const unreached = unreachedBytes >= 1 ? `; no version uses ${formatBytes(Math.round(unreachedBytes))} of it` : ''
  const table = withBars(
    renderTable(columns, rows, session.console.columns),
    largestFirst.map(({ ownBytes }) => ownBytes),
    session.console.columns,
  )
  return [...table, ...sizesLegend(saved), OWN, `${all}${unreached}.`]
}

function describeVersions(session: Session, { names }: RepositoryUsage, name: string): string[] {
  const columns = [{ title: 'version' }, { title: 'time' }, ...SIZES, right('own')]
  const { versions, saved } = names.find(each => each.name === name)!
  const newestFirst = [...versions].reverse()
  const rows = newestFirst.map(usage => [
    versionLabel({ name, id: usage.snapshot.id }),
    localTime(usage.snapshot.ref.effectiveTime),
    ...sizesCells(usage),
    formatBytes(Math.round(usage.ownBytes)),
  ])
  const table = withBars(
    renderTable(columns, rows, session.console.columns),
    newestFirst.map(({ ownBytes }) => ownBytes),
    session.console.columns,
  )
  return [...table, ...sizesLegend(saved), OWN]
}

type Quota = Awaited<ReturnType<OpenRepository['storage']['quota']>>

/** How much is free, and on Drive what takes the rest, as far as Drive tells. */
function describeQuota(location: string, { used, limit, inDrive, inTrash = 0 }: Quota, objectBytes: number): string[] {
  const free =
    used === undefined || limit === undefined
      ? []
      : [`${location} has ${formatBytes(Math.max(0, limit - used))} of ${formatBytes(limit)} free.`]
  const others = (inDrive ?? 0) - inTrash - objectBytes
  // a repository in a folder that somebody else shares takes none of this account's space
  if (used === undefined || inDrive === undefined || others < 0) return free
  const parts = [
    ['repository', objectBytes],
    ['other files', others],
    ['trash', inTrash],
    ['mail and photos', Math.max(0, used - inDrive)],
  ] as const
  const text = parts.filter(([, bytes]) => bytes > 0).map(([what, bytes]) => `${what} ${formatBytes(bytes)}`)
  return [`Drive: ${text.join(', ')}${limit === undefined ? '' : ` of ${formatBytes(limit)}`}`, ...free]
}

function folderOf(path: string): string {
  return path.includes('/') ? `${path.slice(0, path.indexOf('/'))}/` : '.'
}

function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(dot).toLowerCase() : '(none)'
}

function repositoryToJson({ names, saved, objectBytes, unreachedBytes }: RepositoryUsage): object {
  return {
    objectBytes,
    unreachedBytes: Math.round(unreachedBytes),
    saved: savingsToJson(saved),
    names: names.map(usage => ({
      name: usage.name,
      ...usageToJson(usage),
      versions: usage.versions.map(version => ({
        version: version.snapshot.id,
        time: new Date(version.snapshot.ref.effectiveTime).toISOString(),
        ...usageToJson(version),
      })),
    })),
  }
}

const usageToJson = (usage: Usage): Usage => ({ ...sizesToJson(usage), ownBytes: Math.round(usage.ownBytes) })
