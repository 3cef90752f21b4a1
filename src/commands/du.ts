import { kindOfChunk } from '../repository/file-kinds.ts'
import { markedForDeletion, type Marked } from '../repository/prune/marked.ts'
import { measureParts, type PartUsage } from '../repository/usage-parts.ts'
import { measureUsage, type RepositoryUsage, type Usage } from '../repository/usage.ts'
import { parseVersion } from '../repository/versions.ts'
import { formatBytes, formatCount, formatPercent, plural } from '../ui/format.ts'
import { renderTable, type Column } from '../ui/table.ts'
import { AppError } from '../util/errors.ts'
import { localTime } from './log.ts'
import { findVersion, openRepository } from './open.ts'
import type { Outcome, Session } from './session.ts'

export interface DuOptions {
  by?: 'folder' | 'extension' | 'kind'
}

const LEGEND = 'dedup: repeated, stored once; packed: saved by compression'
const OWN = 'own: what nothing else uses; it is freed when this goes'
const BASES = 'stored counts the earlier tensors too that these are stored as changes of'
const PART_OF = { folder: folderOf, extension: extensionOf, kind: kindOfChunk }

const right = (title: string): Column => ({ title, align: 'right' })
const SAVINGS = [right('size'), right('dedup'), right('packed'), right('stored')]

/** Where the space goes: by name; by version of one name; by folder, extension or kind of one version. */
export async function duCommand(session: Session, version: string | undefined, options: DuOptions): Promise<Outcome> {
  if (version === undefined && options.by !== undefined)
    throw new AppError('usage', '--by splits one version, and none is named.', {
      hint: `Name it: colab-escape du <name> --by ${options.by}`,
    })
  const repository = await openRepository(session)
  if (version !== undefined && options.by !== undefined) {
    const snapshot = await findVersion(session, repository, parseVersion(version))
    const parts = await measureParts(repository, snapshot, PART_OF[options.by])
    const hasBases = parts.some(({ distinctBytes, storedBytes }) => storedBytes > distinctBytes)
    session.console.print(
      [
        ...renderTable([{ title: options.by }, right('files'), ...SAVINGS, right('saved')], parts.map(partRow), session.console.columns),
        LEGEND,
        ...(hasBases ? [BASES] : []),
      ],
      {
        command: 'du',
        name: snapshot.name,
        version: snapshot.id,
        by: options.by,
        parts: parts.map(part => ({ ...part, storedBytes: Math.round(part.storedBytes) })),
      },
    )
    return 'done'
  }
  const usage = await measureUsage(repository)
  const quota = await repository.storage.quota({ signal: session.signal })
  const name = version === undefined ? undefined : (await findVersion(session, repository, parseVersion(version))).name
  const marked = markedForDeletion(repository.view)
  const human = name === undefined ? [...describeNames(session, usage), ...describeMarked(marked)] : describeVersions(session, usage, name)
  const free =
    quota.limit === undefined || quota.used === undefined
      ? []
      : [`${repository.storage.location} has ${formatBytes(Math.max(0, quota.limit - quota.used))} of ${formatBytes(quota.limit)} free.`]
  session.console.print([...human, ...free], {
    command: 'du',
    ...machine(usage),
    marked: { ...marked, until: marked.until === undefined ? null : new Date(marked.until).toISOString() },
    quota: { used: quota.used ?? null, limit: quota.limit ?? null },
  })
  return 'done'
}

function describeNames(session: Session, { names, objectBytes, unreachedBytes }: RepositoryUsage): string[] {
  const columns = [{ title: 'name' }, right('versions'), ...SAVINGS, right('saved'), right('own')]
  const rows = names.map(usage => [
    usage.name,
    formatCount(usage.versions.length),
    ...savings(usage),
    saved(usage),
    formatBytes(Math.round(usage.ownBytes)),
  ])
  const all = `The repository takes ${formatBytes(objectBytes)}`
  const unreached = unreachedBytes >= 1 ? `; ${formatBytes(Math.round(unreachedBytes))} of it no version reaches` : ''
  return [...renderTable(columns, rows, session.console.columns), LEGEND, OWN, `${all}${unreached}.`]
}

function describeMarked({ packs, bytes, until }: Marked): string[] {
  if (until === undefined) return []
  return [
    `Marked for deletion: ${formatBytes(bytes)} (${plural(packs, 'pack')}). \`colab-escape prune\` frees it from ${localTime(until)} on.`,
  ]
}

function describeVersions(session: Session, { names }: RepositoryUsage, name: string): string[] {
  const columns = [{ title: 'version' }, { title: 'time' }, ...SAVINGS, right('own')]
  const versions = names.find(each => each.name === name)?.versions ?? []
  const rows = [...versions]
    .reverse()
    .map(usage => [
      `${name}@${usage.snapshot.id.slice(0, 8)}`,
      localTime(usage.snapshot.time),
      ...savings(usage),
      formatBytes(Math.round(usage.ownBytes)),
    ])
  return [...renderTable(columns, rows, session.console.columns), LEGEND, OWN]
}

function partRow(usage: PartUsage): string[] {
  return [usage.part, formatCount(usage.files), ...savings(usage), saved(usage)]
}

type Sizes = Pick<Usage, 'plainBytes' | 'distinctBytes' | 'storedBytes'>

/** Size, less what was there already, less what compression saved, is what is stored. */
function savings({ plainBytes, distinctBytes, storedBytes }: Sizes): string[] {
  const less = (bytes: number): string => (bytes >= 1 ? `-${formatBytes(Math.round(bytes))}` : '')
  return [
    formatBytes(plainBytes),
    less(plainBytes - distinctBytes),
    less(distinctBytes - storedBytes),
    formatBytes(Math.round(storedBytes)),
  ]
}

function saved({ plainBytes, storedBytes }: Sizes): string {
  return plainBytes === 0 ? '' : formatPercent(Math.max(0, 1 - storedBytes / plainBytes))
}

function folderOf(path: string): string {
  return path.includes('/') ? `${path.slice(0, path.indexOf('/'))}/` : '.'
}

function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(dot).toLowerCase() : '(none)'
}

function machine({ names, objectBytes, unreachedBytes }: RepositoryUsage): object {
  return {
    objectBytes,
    unreachedBytes: Math.round(unreachedBytes),
    names: names.map(usage => ({
      name: usage.name,
      ...sizes(usage),
      versions: usage.versions.map(version => ({
        version: version.snapshot.id,
        time: new Date(version.snapshot.time).toISOString(),
        ...sizes(version),
      })),
    })),
  }
}

const sizes = ({ plainBytes, distinctBytes, storedBytes, ownBytes }: Usage): Usage => ({
  plainBytes,
  distinctBytes,
  storedBytes: Math.round(storedBytes),
  ownBytes: Math.round(ownBytes),
})
