import { isEmptyPolicy, parseBestRule, parseWithin, type RetentionPolicy } from '../../repository/versions/retention.ts'
import { AppError } from '../../util/errors.ts'
import { collect } from './common-options.ts'
import type { LazyCommand } from './lazy-command.ts'

export interface RetentionOptions {
  keepLast?: string
  keepHourly?: string
  keepDaily?: string
  keepWeekly?: string
  keepMonthly?: string
  keepTag?: string[]
  keepWithin?: string
  keepBest?: string[]
}

export function addRetentionOptions(command: LazyCommand): LazyCommand {
  return command
    .option('--keep-last <n>', 'keep the newest n versions')
    .option('--keep-hourly <n>', 'keep the newest version of each of the last n hours that have one')
    .option('--keep-daily <n>', 'the same for days')
    .option('--keep-weekly <n>', 'the same for weeks')
    .option('--keep-monthly <n>', 'the same for months')
    .option('--keep-tag <tag>', 'keep versions with this tag (repeatable)', collect)
    .option('--keep-within <time>', 'keep versions no older than this, e.g. 30min, 36h, 14d or 2w')
    .option(
      '--keep-best <metric:n>',
      'keep the n versions with the lowest value of a metric; max:metric:n for the highest (repeatable)',
      collect,
    )
}

/** Undefined when no rule was given. */
export function parsePolicy(options: RetentionOptions): RetentionPolicy | undefined {
  const counts = Object.entries({
    last: options.keepLast,
    hourly: options.keepHourly,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
  }).flatMap(([rule, text]) => (text === undefined ? [] : [[rule, parseCount(`--keep-${rule}`, text)] as const]))
  const policy: RetentionPolicy = {
    ...Object.fromEntries(counts),
    tags: options.keepTag ?? [],
    best: (options.keepBest ?? []).map(parseBestRule),
    ...(options.keepWithin === undefined ? {} : { within: parseWithin(options.keepWithin) }),
  }
  return isEmptyPolicy(policy) ? undefined : policy
}

function parseCount(option: string, text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new AppError('usage', `${option} ${text} isn't a number of versions.`, { hint: 'Use a whole number, 1 or more.' })
}
