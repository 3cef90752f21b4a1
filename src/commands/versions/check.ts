import { check, type CheckResult } from '../../repository/check/check.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import { formatCount, formatDuration, plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'

export interface CheckOptions {
  readData?: string | boolean
}

/** Maximum number of affected files shown. --json has all of them. */
const SHOWN = 50

export async function checkCommand(session: Session, options: CheckOptions): Promise<Outcome> {
  const started = performance.now()
  const store = await chooseStore(session)
  const arriving = store.kind === 'folder' && store.mounted
  const readData = share(options.readData)
  const result = await check(session.context(store.storage, readData > 0 ? Infinity : 0), { readData, arriving })
  const damaged = result.problems.length > 0 || result.affected.length > 0
  session.console.print(session.console.prose(describe(result, damaged, arriving, performance.now() - started)), {
    command: 'check',
    damaged,
    ...result,
  })
  const trash = damaged ? await session.trashHint() : undefined
  if (trash !== undefined) session.console.reporter.warn(trash)
  return damaged ? 'damaged' : 'done'
}

function share(option: string | boolean | undefined): number {
  if (option === undefined || option === false) return 0
  if (option === true) return 1
  const parts = /^(\d{1,3}(?:\.\d+)?)%$/.exec(option)
  const percent = parts ? Number(parts[1]) : NaN
  if (!(percent > 0 && percent <= 100))
    throw new AppError('usage', `--read-data=${option} isn't a share of the data.`, { hint: 'Use --read-data or e.g. --read-data=10%.' })
  return percent / 100
}

/** Lists the affected files. */
export function describeAffected(affected: CheckResult['affected']): string[] {
  const lines = affected
    .slice(0, SHOWN)
    .map(
      ({ name, version, path, why }) => `affected: ${versionLabel({ name, id: version })}${path === undefined ? '' : `:${path}`} (${why})`,
    )
  return affected.length > SHOWN ? [...lines, `... and ${formatCount(affected.length - SHOWN)} more (--json shows all)`] : lines
}

export function describeOutOfUse(packs: number): string {
  return `${plural(packs, 'damaged pack')} out of use: no version needs ${packs === 1 ? 'it' : 'them'} any more. \`colab-escape prune\` deletes ${packs === 1 ? 'it' : 'them'}.`
}

function describe(result: CheckResult, damaged: boolean, arriving: boolean, milliseconds: number): string[] {
  const { packs, packsRead, snapshots, incomplete, files, problems, affected, outOfUse } = result
  const lines = [...problems.map(problem => `damaged: ${problem}`), ...describeAffected(affected)]
  const read = packsRead > 0 ? `, ${formatCount(packsRead)} of them read back completely` : ''
  lines.push(
    `Checked ${plural(snapshots, 'version')} with ${plural(files, 'file')} in ${plural(packs, 'pack')}${read}, ${formatDuration(milliseconds)}`,
  )
  if (incomplete > 0 && arriving)
    lines.push(
      `${plural(incomplete, 'version')} incomplete: packs have not arrived in the mounted Drive yet, or the push finished too late to count. Nothing is damaged.`,
    )
  else if (incomplete > 0)
    lines.push(
      `${plural(incomplete, 'version')} incomplete: the push took too long, and may still be storing it again. If this stays for a day, it is damage.`,
    )
  if (outOfUse > 0) lines.push(describeOutOfUse(outOfUse))
  const versions = new Set(affected.map(({ version }) => version)).size
  if (!damaged) lines.push(packsRead > 0 ? 'No damage found.' : 'No damage found. Add --read-data to also read all content back.')
  else {
    if (affected.length === 0) lines.push('No file of a version that can be read is affected.')
    else
      lines.push(
        `${plural(affected.length, 'file')} in ${plural(versions, 'version')} affected${packsRead < packs ? ', or more: add --read-data to see' : ''}.`,
      )
    lines.push('Run `colab-escape repair`: it heals what can be healed, and says what to do about the rest.')
  }
  return lines
}
