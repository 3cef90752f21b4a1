import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { FileSink } from '../../archive/sink.ts'
import type { TensorSide } from '../../tensors/compare-tensors.ts'
import { withCheckedMembers } from '../../tensors/shared-members.ts'
import { checkExpansion, type Tensor } from '../../tensors/tensor.ts'
import {
  planSafetensors,
  type SafetensorsPlan,
  type SkippedTensor,
  skippedLines,
  writeSafetensors,
} from '../../tensors/write-safetensors.ts'
import { formatCount, formatDuration, plural } from '../../ui/format.ts'
import { AppError, throwIfAborted } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { matchesName } from '../../util/name-pattern.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { requestsByKind, requireLocal, totalRequests } from '../shared/store.ts'
import { tensorToJson, TensorSides } from '../shared/tensor-sides.ts'
import type { PullOptions } from './pull.ts'

export interface PullTensorsOptions extends PullOptions {
  /** Names or patterns. */
  tensor?: string[]
  output?: string
}

const LISTED_NAMES = 10
/** Characters of the name of a file before its ending. All systems allow 255 bytes in all. */
const LONGEST_STEM = 200

/**
 * Writes single tensors of a stored file into a new safetensors file. Only the blocks with these tensors are fetched.
 */
export async function pullTensorsCommand(
  session: Session,
  versionedPath: string,
  destination: string | undefined,
  options: PullTensorsOptions,
): Promise<Outcome> {
  const started = performance.now()
  const output = outputOf(versionedPath, destination, options)
  const sides = new TensorSides(session)
  try {
    const side = await sides.openStored(versionedPath)
    const chosen = choose(side, options.tensor ?? [])
    const plan = planSafetensors(side.file, options.dryRun === true ? chosen : await withCheckedMembers(chosen, side.source))
    checkExpansion(plan.tensors, side.name, side.source.size)
    const failed = options.dryRun === true ? [] : await write(session, side, plan, output, options.force === true)
    const skipped = [...plan.skipped, ...failed]
    const without = new Set(failed.map(({ tensor }) => tensor))
    const tensors = plan.tensors.filter(tensor => !without.has(tensor))
    const bytes = failed.reduce((left, { tensor }) => left - tensor.bytes, plan.bytes)
    const isDamaged = skipped.some(each => each.isDamaged)
    const requests = sides.requests()
    session.console.reporter.detail(requestsByKind(requests))
    session.console.result(
      [
        `${options.dryRun === true ? 'Dry run: would write' : 'Wrote'} ${plural(tensors.length, 'tensor')} from ${side.name} to ${output}`,
        `  ${formatBytes(bytes)} of ${formatBytes(side.source.size)}; ${plural(totalRequests(requests), 'request')}, ${formatDuration(performance.now() - started)}; every byte verified`,
        ...(skipped.length > 0 ? [`${plural(skipped.length, 'tensor')} left out:`, ...skippedLines(skipped)] : []),
      ],
      {
        command: 'pull',
        file: side.name.toWellFormed(),
        output,
        dryRun: options.dryRun === true,
        bytes,
        tensors: tensors.map(tensorToJson),
        skipped: skipped.map(({ tensor, why, isDamaged = false }) => ({ name: tensor.name.toWellFormed(), why, damaged: isDamaged })),
        requests,
      },
    )
    if (isDamaged) return 'damaged'
    return skipped.length > 0 || (side.shards?.missing ?? []).length > 0 ? 'partly' : 'done'
  } finally {
    await sides.close()
  }
}

function outputOf(
  versionedPath: string,
  destination: string | undefined,
  { only, exclude, delete: remove, tensor, output: given, force, dryRun }: PullTensorsOptions,
): string {
  if (tensor === undefined)
    throw new AppError('usage', '-o only works with --tensor.', {
      hint: 'Give a destination without -o: colab-escape pull runs out',
    })
  if (destination !== undefined || only !== undefined || exclude !== undefined || remove === true)
    throw new AppError(
      'usage',
      "--tensor takes tensors out of one file; it can't be combined with a destination, --only, --exclude or --delete.",
      {
        hint: "Use e.g. colab-escape pull runs:model.safetensors --tensor 'layers.0.*' -o part.safetensors",
      },
    )
  const output = given ?? defaultOutput(versionedPath, tensor)
  requireLocal(output)
  const path = resolve(output)
  if (existsSync(path) && statSync(path).isDirectory())
    throw new AppError('usage', `${path} is a folder.`, { hint: `Give a file: -o ${join(output, 'part.safetensors')}` })
  // checked before anything is fetched, and once more when the file is put in place
  if (existsSync(path) && force !== true && dryRun !== true)
    throw new AppError('would-overwrite', `${path} exists already.`, {
      hint: 'Name another file with -o, or add --force to replace it.',
    })
  return path
}

/** In the current folder: named after the tensor, or after the file if a pattern may mean several. */
function defaultOutput(versionedPath: string, tensors: readonly string[]): string {
  const [only] = tensors.length === 1 && !/[*?[]/.test(tensors[0]!) ? tensors : []
  const file = versionedPath.slice(Math.max(versionedPath.lastIndexOf('/'), versionedPath.lastIndexOf(':')) + 1)
  const stem = only ?? `${file.replace(/(?<=.)\.[^.]*$/, '')}-tensors`
  // the name of a tensor may hold slashes, and begin with a dot
  return `${stem
    .replace(/[^\w.-]/g, '_')
    .replace(/^\./, '_')
    .slice(0, LONGEST_STEM)}.safetensors`
}

function choose({ name, file }: TensorSide, patterns: readonly string[]): Tensor[] {
  for (const pattern of patterns) {
    if (file.tensors.some(tensor => matchesName(pattern, tensor.name))) continue
    throw new AppError('not-found', `No tensor of ${name} matches ${JSON.stringify(pattern)}.`, {
      list: file.tensors.slice(0, LISTED_NAMES).map(tensor => tensor.name),
      hint:
        file.tensors.length > LISTED_NAMES
          ? `These are the first ${LISTED_NAMES} of ${formatCount(file.tensors.length)}. List all: colab-escape inspect ${name}`
          : 'These are all its tensors.',
    })
  }
  return file.tensors.filter(tensor => patterns.some(pattern => matchesName(pattern, tensor.name)))
}

/** Returns the tensors that were left out. */
async function write(session: Session, side: TensorSide, plan: SafetensorsPlan, output: string, force: boolean): Promise<SkippedTensor[]> {
  const sink = await FileSink.create(output, force)
  let doneBytes = 0
  try {
    const failed = await writeSafetensors(side.name, plan, side.source, {
      canRewrite: sink.canRewrite,
      async write(piece) {
        throwIfAborted(session.signal)
        await sink.write(piece)
        doneBytes += piece.length
        session.console.reporter.progress({ phase: 'restoring', doneBytes, totalBytes: plan.bytes })
      },
      truncate: length => sink.truncate((doneBytes = length)),
      overwriteStart: bytes => sink.overwriteStart(bytes),
    })
    await sink.finish()
    return failed
  } catch (error) {
    await sink.abort(session.console.reporter)
    throw error
  }
}
