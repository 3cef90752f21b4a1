import { versionLabel } from '../../repository/format/snapshot.ts'
import { repair, type RepairResult } from '../../repository/repair/repair.ts'
import { formatCount, plural } from '../../ui/format.ts'
import { canAsk, confirm, unlessDeclined } from '../shared/prompt.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { refuseMounted } from '../shared/space-report.ts'
import { chooseStore } from '../shared/store.ts'
import { describeAffected, describeOutOfUse } from './check.ts'

export interface RepairOptions {
  dryRun?: boolean
  yes?: boolean
  giveUp?: boolean
}

/** Maximum number of objects named in a list. --json has all of them. */
const SHOWN = 10

/** Heals what can be healed in a repository, and says what can't. */
export function repairCommand(session: Session, options: RepairOptions): Promise<Outcome> {
  return unlessDeclined(session, () => repairStore(session, options))
}

async function repairStore(session: Session, options: RepairOptions): Promise<Outcome> {
  const store = await chooseStore(session)
  refuseMounted(store)
  const dryRun = options.dryRun === true
  if (options.giveUp === true && !dryRun && canAsk(session, options.yes === true))
    await confirm(session, "Delete for good what can't be healed (--dry-run shows it): versions that lack data, unreadable objects?")
  const request = { dryRun, giveUp: options.giveUp === true, trash: session.trash }
  const result = await repair(session.context(store.storage, Infinity), request)
  const { left } = result
  const damaged = left.problems.length > 0 || left.affected.length > 0
  session.console.print(describe(store.storage.location, result, request, damaged), { command: 'repair', dryRun, damaged, ...result })
  return damaged ? 'damaged' : 'done'
}

function describe(
  location: string,
  result: RepairResult,
  { dryRun, giveUp }: { dryRun: boolean; giveUp: boolean },
  damaged: boolean,
): string[] {
  const steps = describeSteps(result, dryRun)
  const { problems, affected, outOfUse } = result.left
  const lines = steps.length === 0 ? [] : [dryRun ? `Dry run: would repair ${location}` : `Repaired ${location}`, ...steps]
  if (outOfUse > 0) lines.push(describeOutOfUse(outOfUse))
  if (!damaged)
    return [...lines, `${steps.length === 0 ? 'Nothing to repair' : 'No damage is left'}: ${plural(result.packs, 'pack')} verified.`]
  for (const problem of problems) lines.push(`damaged: ${problem}`)
  lines.push(...describeAffected(affected))
  return [...lines, ...nextSteps(result, dryRun && steps.length > 0, giveUp)]
}

function describeSteps(result: RepairResult, dryRun: boolean): string[] {
  const { wroteConfig, putBack, renamed, indexedPacks, replacedIndexes, tombedPacks, givenUp } = result
  const did = (done: string, wouldDo: string): string => `  ${dryRun ? `would ${wouldDo}` : done}`
  const lines: string[] = []
  if (wroteConfig) lines.push(`${did('wrote', 'write')} config.json again`)
  if (putBack.length > 0) lines.push(`${did('put', 'put')} ${plural(putBack.length, 'object')} back from the trash: ${some(putBack)}`)
  const names = renamed.flatMap(({ from, to }) => (to === undefined ? [] : [from]))
  const copies = renamed.flatMap(({ from, to }) => (to === undefined ? [from] : []))
  if (names.length > 0) lines.push(`${did('gave', 'give')} ${plural(names.length, 'object')} the right name again: ${some(names)}`)
  if (copies.length > 0)
    lines.push(`${did('removed', 'remove')} ${plural(copies.length, 'second copy', 'second copies')} of objects: ${some(copies)}`)
  if (replacedIndexes > 0) lines.push(`${did('replaced', 'replace')} ${plural(replacedIndexes, 'wrong index', 'wrong indexes')}`)
  if (indexedPacks > 0) lines.push(`${did('wrote', 'write')} an index for ${plural(indexedPacks, 'pack')} that no index named`)
  if (tombedPacks.length > 0)
    lines.push(
      `${did('took', 'take')} ${plural(tombedPacks.length, 'damaged pack')} out of use: ${some(tombedPacks.map(id => id.slice(0, 12)))}`,
    )
  if (givenUp.length > 0) lines.push(`${did('gave up', 'give up')} ${plural(givenUp.length, 'object')}: ${some(givenUp)}`)
  return lines
}

const some = (names: readonly string[]): string =>
  `${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? `, and ${formatCount(names.length - SHOWN)} more` : ''}`

function nextSteps({ left: { affected } }: RepairResult, dryRun: boolean, giveUp: boolean): string[] {
  if (dryRun) return ['Run it without --dry-run to do this.']
  const lines: string[] = []
  if (affected.length > 0) {
    const files = affected.filter(({ path }) => path !== undefined)
    const whole = affected.filter(({ path }) => path === undefined)
    const labelsOf = (some: typeof affected): string[] => [...new Set(some.map(({ name, version }) => versionLabel({ name, id: version })))]
    const versions = labelsOf(files)
    if (files.length > 0) {
      lines.push(`${plural(files.length, 'file')} in ${plural(versions.length, 'version')} can't be restored now: ${some(versions)}`)
      lines.push('If you still have these files, push them again: the push stores what is damaged once more, for these versions too.')
      lines.push('The other files of these versions can be pulled.')
    }
    if (whole.length > 0)
      lines.push(
        `${plural(whole.length, 'version')} can't be read at all: ${some(labelsOf(whole))}. Put the damaged object back from a backup; if only its list of files is damaged, a push of the same source may heal it.`,
      )
  }
  if (giveUp) lines.push('What is left may be of another program, so it was not deleted: move it elsewhere.')
  else lines.push("To see what would be deleted to go on without what can't be healed: colab-escape repair --give-up --dry-run")
  return lines
}
