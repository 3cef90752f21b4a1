import { versionLabel } from '../../repository/format/snapshot.ts'
import type { FoundVersion } from '../../repository/prune/forgotten.ts'
import { SAFE_GRACE_PERIODS } from '../../repository/prune/grace-periods.ts'
import { openForPrune } from '../../repository/prune/prune.ts'
import { judgeForgotten, reallyForgotten, unforget, type Judged } from '../../repository/prune/unforget.ts'
import { isStartOfId } from '../../repository/versions/choose-version.ts'
import { parseName } from '../../repository/versions/names.ts'
import { dropNotedVersion } from '../../repository/versions/noted-version.ts'
import { parseVersion, type VersionSpec } from '../../repository/versions/versions.ts'
import { localTime, plural } from '../../ui/format.ts'
import { renderTable } from '../../ui/table.ts'
import { AppError } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import { shellQuoted } from '../../util/paths.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'

const { graceMs } = SAFE_GRACE_PERIODS

/** Brings forgotten versions back, or lists those that can be brought back. */
export async function unforgetCommand(session: Session, given: string[], options: { all?: boolean }): Promise<Outcome> {
  const all = options.all === true
  if (given.length === 0 && all) throw new AppError('usage', '--all needs a name.', { hint: 'Use e.g. colab-escape unforget data --all' })
  const wanted = given.map(parseWanted)
  const store = await chooseStore(session)
  const context = session.context(store.storage, 0)
  if (wanted.length === 0) {
    const { repository } = await openForPrune(context)
    const versions = await judgeForgotten(repository, await reallyForgotten(repository, graceMs))
    session.console.print(describeForgotten(versions, repository.view.inventory.asOf, session.console.columns), {
      command: 'unforget',
      restored: [],
      forgotten: versions.map(judgedToJson),
    })
    return 'done'
  }
  let others: FoundVersion[] = []
  const result = await unforget(context, graceMs, versions => {
    const chosen = new Set(wanted.flatMap(each => choose(versions, each, all)))
    const names = new Set(wanted.map(({ name }) => name))
    others = versions.filter(version => names.has(version.snapshot.name) && !chosen.has(version))
    return versions.filter(version => chosen.has(version))
  })
  const { restored, lost, problems } = result
  for (const name of new Set(restored.map(({ snapshot }) => snapshot.name)))
    await dropNotedVersion(session.notedVersionFile(context.storage.location, name))
  if (restored.length + problems.length === 0)
    throw new AppError(
      'not-found',
      `${lost.length === 1 ? 'The version' : 'The versions'} can't be brought back: data was deleted for good.`,
      {
        list: lost.map(describeLost),
        hint: 'List what can still be brought back: colab-escape unforget',
      },
    )
  for (const version of lost) session.console.reporter.warn(`${describeLost(version)}, so it was not brought back`)
  for (const problem of problems) session.console.reporter.warn(problem)
  const rows = restored.map(({ snapshot }) => [
    `  ${versionLabel(snapshot)}`,
    localTime(snapshot.ref.effectiveTime),
    snapshot.tags.map(tag => `[${tag}]`).join(' '),
  ])
  session.console.result(
    [
      `Brought back ${plural(restored.length, 'version')}`,
      ...renderTable([{ title: '  version' }, { title: 'time' }, { title: '' }], rows, session.console.columns),
      ...moreLines(others),
    ],
    { command: 'unforget', restored: restored.map(versionToJson), forgotten: [...lost.map(judgedToJson)] },
  )
  return lost.length + problems.length > 0 ? 'partly' : 'done'
}

/** A name, or one version of it. */
function parseWanted(text: string): VersionSpec {
  if (!/[@~]/.test(text)) return { name: parseName(text), at: undefined, back: 0 }
  const spec = parseVersion(text)
  if (spec.back > 0 || spec.at === undefined)
    throw new AppError('usage', `${text} counts versions that are there, and a forgotten one is not.`, {
      hint: `Use its id, e.g. ${spec.name}@8636. List them: colab-escape unforget`,
    })
  return spec
}

/** The versions that a person means. Without an id or a tag: those of the last forget that took some of the name. */
function choose(versions: readonly FoundVersion[], { name, at }: VersionSpec, all: boolean): FoundVersion[] {
  const own = versions.filter(({ snapshot }) => snapshot.name === name)
  const last = own.reduce((latest, { time }) => Math.max(latest, time), 0)
  const isMeant = ({ snapshot, time }: FoundVersion): boolean => {
    if (at === undefined) return all || time === last
    return snapshot.tags.includes(at) || isStartOfId(at, snapshot.id)
  }
  const meant = own.filter(isMeant)
  if (meant.length === 0)
    throw new AppError('not-found', `No forgotten version ${at === undefined ? `of ${name}` : `${name}@${at}`} can be brought back.`, {
      hint:
        own.length > 0 || versions.length > 0
          ? 'List those that can: colab-escape unforget'
          : 'What was forgotten is gone for good once a prune has freed its data.',
    })
  if (at !== undefined && meant.length > 1)
    throw new AppError('usage', `${name}@${at} means ${meant.length} forgotten versions.`, {
      hint: 'Use one of their ids.',
      list: meant.map(({ snapshot }) => versionLabel(snapshot)),
    })
  return meant
}

function describeForgotten(versions: readonly Judged[], asOf: number, columns: number): string[] {
  const gone = versions.filter(({ lostFiles }) => lostFiles > 0)
  const there = versions.filter(({ lostFiles }) => lostFiles === 0).sort((a, b) => b.time - a.time || b.snapshot.time - a.snapshot.time)
  const goneLine = gone.length === 0 ? [] : [`Data of ${plural(gone.length, 'forgotten version')} was deleted for good.`]
  const [newest] = there
  if (!newest) return ['No forgotten version can be brought back.', ...goneLine]
  const rows = there.map(({ snapshot, time, until }) => [
    versionLabel(snapshot),
    localTime(snapshot.ref.effectiveTime),
    localTime(time),
    until > asOf ? localTime(until) : 'the next prune',
  ])
  const titles = ['version', 'time', 'forgotten', 'kept until']
  return [
    ...renderTable(
      titles.map(title => ({ title })),
      rows,
      columns,
    ),
    ...goneLine,
    'The first prune after that time deletes their data for good.',
    `Bring back what the last forget took: colab-escape unforget ${shellQuoted(newest.snapshot.name)}`,
    `Bring back one version: colab-escape unforget ${versionLabel(newest.snapshot)}`,
  ]
}

const lossText = ({ lostFiles, snapshot: { counts } }: Judged): string =>
  `${lostFiles} of ${plural(Math.max(counts.files, lostFiles), 'file')} ${lostFiles === 1 ? 'is' : 'are'} gone`

const describeLost = (version: Judged): string => `${versionLabel(version.snapshot)}: ${lossText(version)}`

/** Other versions of these names that are still forgotten. */
function moreLines(others: readonly FoundVersion[]): string[] {
  return [...groupBy(others, ({ snapshot }) => snapshot.name)].map(([name, { length: count }]) => {
    return `  ${plural(count, 'more version')} of ${name} ${count === 1 ? 'is' : 'are'} forgotten: colab-escape unforget ${shellQuoted(name)} --all`
  })
}

const isoTime = (ms: number): string => new Date(ms).toISOString()

function versionToJson({ snapshot, time, until }: FoundVersion): object {
  const { name, id, ref, tags, message, metrics } = snapshot
  return {
    name,
    version: id,
    time: isoTime(ref.effectiveTime),
    tags,
    message: message ?? null,
    metrics,
    forgotten: isoTime(time),
    until: isoTime(until),
  }
}

const judgedToJson = (version: Judged): object => ({
  ...versionToJson(version),
  files: version.snapshot.counts.files,
  lostFiles: version.lostFiles,
})
